//! Finds the token in an `Authorization` header (RFC 6750 §2.1, RFC 9110 §11.4).

use crate::refusal::Refusal;

/// The token of an `Authorization` header's value: `Bearer <token>`, the scheme in any case, or the bare token.
/// Takes text or bytes, so that it serves any HTTP library.
///
/// # Errors
/// [`Refusal::Missing`] where there is no token: an empty value, `Bearer` alone, another scheme.
/// [`Refusal::Invalid`] where there is something in its place: two words after `Bearer`, a single word that is not
/// shaped like a JWT, bytes that are no text.
pub fn from_authorization<V: AsRef<[u8]> + ?Sized>(value: &V) -> Result<&str, Refusal> {
    let value = value.as_ref().trim_ascii();
    let (first, rest) = match value.iter().position(|byte| *byte == b' ') {
        Some(at) => value.split_at(at),
        None => (value, [].as_slice()),
    };
    if first.eq_ignore_ascii_case(b"Bearer") {
        let token = rest.trim_ascii_start();
        return if token.is_empty() { Err(Refusal::Missing) } else { one_word(token) };
    }
    if value.is_empty() || !rest.is_empty() {
        return Err(Refusal::Missing);
    }
    if first.iter().filter(|byte| **byte == b'.').count() == 2 {
        one_word(first)
    } else {
        Err(Refusal::Invalid)
    }
}

fn one_word(token: &[u8]) -> Result<&str, Refusal> {
    // Without an early end, so that the compiler checks many letters at once.
    let is_one_word = token.iter().fold(true, |so_far, byte| so_far & byte.is_ascii_graphic());
    if !is_one_word {
        return Err(Refusal::Invalid);
    }
    str::from_utf8(token).map_err(|_| Refusal::Invalid)
}

#[cfg(test)]
mod tests {
    use super::from_authorization;
    use crate::refusal::Refusal;

    // SEC-66
    #[test]
    fn the_scheme_is_taken_in_any_case() {
        for value in
            ["Bearer a.b.c", "bearer a.b.c", "BEARER a.b.c", "bEaReR   a.b.c", " Bearer a.b.c\t", "a.b.c"]
        {
            assert_eq!(from_authorization(value), Ok("a.b.c"), "{value:?}");
        }
    }

    // SEC-65
    #[test]
    fn no_token_is_missing() {
        for value in ["", " ", "\t", "Bearer", "bearer ", "Bearer \t", "Basic YTpi", "Token a.b.c", "a.b.c d"]
        {
            assert_eq!(from_authorization(value), Err(Refusal::Missing), "{value:?}");
        }
    }

    // SEC-66
    #[test]
    fn something_else_in_its_place_is_invalid() {
        for value in
            ["Bearer a b", "Bearer a.b.c d", "Bearer a\tb", "abc", "Bearera.b", "a.b.c.d", "Bearer é"]
        {
            assert_eq!(from_authorization(value), Err(Refusal::Invalid), "{value:?}");
        }
        assert_eq!(from_authorization(b"Bearer \xff"), Err(Refusal::Invalid));
        assert_eq!(from_authorization(b"\xff.b.c"), Err(Refusal::Invalid));
    }

    #[test]
    fn a_word_after_bearer_is_handed_on_whatever_its_shape() {
        assert_eq!(from_authorization("Bearer nonsense"), Ok("nonsense"));
    }
}
