//! The one spelling of bytes in a token: base64url without padding, canonical (RFC 7515 §2, RFC 4648 §3.5).

use base64::Engine;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// Spelled out rather than taken ready-made, since each of these settings is a rule that the verifier rests on.
const ENGINE: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone)
        .with_decode_allow_trailing_bits(false),
);

/// The bytes of a segment, or nothing where it is empty, padded, not canonical or holds any other character.
pub(crate) fn decode(segment: &str) -> Option<Vec<u8>> {
    if segment.is_empty() {
        return None;
    }
    ENGINE.decode(segment).ok()
}

/// Decodes a segment that must be exactly `N` bytes, without the heap. `N` is at most 64.
pub(crate) fn decode_exactly<const N: usize>(segment: &str) -> Option<[u8; N]> {
    // The engine asks for room for whole groups of three bytes.
    let mut buffer = [0; 66];
    if segment.len() != (N * 4).div_ceil(3) {
        return None;
    }
    let length = ENGINE.decode_slice(segment, &mut buffer).ok()?;
    buffer.get(..length)?.try_into().ok()
}

/// Appends the segment of these bytes.
pub(crate) fn encode_into(bytes: &[u8], out: &mut String) {
    ENGINE.encode_string(bytes, out);
}

/// The segment of these bytes.
pub(crate) fn encode(bytes: &[u8]) -> String {
    ENGINE.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::{decode, decode_exactly, encode, encode_into};

    // SEC-26
    #[test]
    fn an_empty_segment_is_refused() {
        assert_eq!(decode(""), None);
        assert_eq!(decode_exactly::<0>("A"), None);
    }

    // SEC-26
    #[test]
    fn a_padded_segment_is_refused() {
        assert_eq!(decode("AA"), Some(vec![0]));
        assert_eq!(decode("AA=="), None);
        assert_eq!(decode("AA="), None);
    }

    // SEC-26
    #[test]
    fn trailing_bits_must_be_zero() {
        assert_eq!(decode("AB"), None);
        assert_eq!(decode("AAB"), None);
        assert_eq!(decode("AAA"), Some(vec![0, 0]));
        assert_eq!(decode_exactly::<1>("AA"), Some([0]));
        assert_eq!(decode_exactly::<1>("AB"), None);
    }

    // SEC-26
    #[test]
    fn other_characters_are_refused() {
        for text in ["A A", "AA\n", " AA", "AA+A", "AA/A", "AA.A", "AAA%", "A\u{0}AA", "ÄAA", "A"] {
            assert_eq!(decode(text), None, "{text:?}");
        }
    }

    #[test]
    fn an_exact_length_takes_no_other() {
        let text = encode(&[7; 32]);
        assert_eq!(decode_exactly::<32>(&text), Some([7; 32]));
        assert_eq!(decode_exactly::<31>(&text), None);
        assert_eq!(decode_exactly::<33>(&text), None);
        assert_eq!(decode_exactly::<64>(&encode(&[9; 64])), Some([9; 64]));
    }

    #[test]
    fn appending_keeps_what_was_there() {
        let mut out = "x.".to_owned();
        encode_into(b"\xfb\xff", &mut out);
        assert_eq!(out, "x.-_8");
    }
}
