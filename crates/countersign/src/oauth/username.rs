//! A username for somebody who never chose one: made of what the provider tells of the person, and never of an address.

use unicode_normalization::UnicodeNormalization as _;

use crate::identity_provider::Vouched;
use crate::names::Username;
use crate::secret::random_bytes;

/// Leaves room for what is put behind it.
const LONGEST: usize = 40;
/// Where the provider tells nothing that can be used.
const NOBODY: &str = "user";

/// Names to try in turn until one is free: the provider's, the same with a small number, then with larger ones that nobody
/// can foresee. Which of them is free is for the unique index to say.
pub(super) fn candidates(vouched: &Vouched) -> Vec<Username> {
    let given = [(&vouched.username, false), (&vouched.name, true)];
    let given = given.into_iter().find_map(|(text, is_name)| base(text.as_deref()?, is_name));
    let (base, plain) = match given {
        Some(base) => (base, 9),
        None => (NOBODY.to_owned(), 0),
    };
    let numbered = (1..=plain).map(|n| if n == 1 { base.clone() } else { format!("{base}-{n}") });
    let random = [10_000_u32, 10_000, 1_000_000, 1_000_000, 1_000_000_000, 1_000_000_000];
    let random = random.map(|below| format!("{base}-{}", u32::from_le_bytes(random_bytes()) % below));
    numbered.chain(random).filter_map(|name| Username::parse(&name).ok()).collect()
}

/// The letters and digits of ASCII in it. What looks like an address of mail is passed over: a username is public.
fn base(text: &str, is_name: bool) -> Option<String> {
    if text.contains('@') {
        return None;
    }
    let mut base = String::new();
    for letter in text.chars().take(4 * LONGEST).flat_map(spelt).collect::<String>().nfkd() {
        let letter = if is_name { letter.to_ascii_lowercase() } else { letter };
        match letter {
            'A'..='Z' | 'a'..='z' | '0'..='9' | '_' => base.push(letter),
            '-' | ' ' | '.' | '\'' | '\u{a0}' if !base.ends_with('-') && !base.is_empty() => base.push('-'),
            _ => {}
        }
        if base.len() == LONGEST {
            break;
        }
    }
    let base = base.trim_matches(['-', '_']);
    (!base.is_empty()).then(|| base.to_owned())
}

/// Letters that no decomposition turns into ASCII.
fn spelt(letter: char) -> impl Iterator<Item = char> {
    let text = match letter {
        'ß' => "ss",
        'æ' | 'Æ' => "ae",
        'œ' | 'Œ' => "oe",
        'ø' | 'Ø' => "o",
        'ł' | 'Ł' => "l",
        'đ' | 'Đ' => "d",
        _ => "",
    };
    text.chars().chain(Some(letter).filter(|_| text.is_empty()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn vouched(username: Option<&str>, name: Option<&str>) -> Vouched {
        Vouched {
            issuer: "https://issuer.example".to_owned(),
            subject: "1".to_owned(),
            username: username.map(str::to_owned),
            name: name.map(str::to_owned),
            email: Some("secret.address@example.com".to_owned()),
            email_verified: true,
        }
    }

    fn first(username: Option<&str>, name: Option<&str>) -> String {
        candidates(&vouched(username, name)).first().unwrap().as_str().to_owned()
    }

    #[test]
    fn the_name_is_the_providers_as_far_as_it_can_be_one() {
        for (username, name, expected) in [
            (Some("Ada_L"), Some("Ada Lovelace"), "Ada_L"),
            (None, Some("Ada  Lovelace"), "ada-lovelace"),
            (Some("ada@corp.example"), Some("Ada Lovelace"), "ada-lovelace"),
            (None, Some("J\u{fc}rgen Gro\u{df}"), "jurgen-gross"),
            (None, Some("\u{c6}r\u{f8}sk\u{f8}bing"), "aeroskobing"),
            (Some("---"), Some("O'Neil, S."), "o-neil-s"),
            (Some("..\u{202e}a\0d\na"), None, "ada"),
        ] {
            assert_eq!(first(username, name), expected, "{username:?} {name:?}");
        }
    }

    #[test]
    fn whoever_tells_nothing_is_nobody_with_a_number_and_the_address_is_never_told() {
        for (username, name) in
            [(None, None), (Some("\u{738b}"), Some("secret.address@example.com")), (Some(""), Some("@"))]
        {
            let names = candidates(&vouched(username, name));
            assert!(names.iter().all(|name| name.as_str().starts_with("user-")), "{names:?}");
        }
    }

    proptest! {
        #[test]
        fn any_profile_gives_names_that_are_valid_and_many(username in "\\PC{0,60}", name in ".{0,300}") {
            let names = candidates(&vouched(Some(&username), Some(&name)));
            prop_assert!(names.len() >= 6, "{names:?}");
            let local = |name: &Username| name.as_str().contains("secret") || name.as_str().contains("address");
            prop_assert!(!names.iter().any(local) || username.contains("s") || name.contains("s"));
        }
    }
}
