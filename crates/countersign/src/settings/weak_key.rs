//! Why a secret key is not one: short, monotonous, or printed in somebody's tutorial.

use super::problem::Problem;

/// As many bytes as HMAC-SHA-256's output (RFC 7518 §3.2).
const LEAST: usize = 32;

/// Keys that look random and stand in public documents. Compared as letters and digits alone, without case.
const PUBLISHED: &[&str] = &[
    // FastAPI's tutorial on JWT.
    "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7",
    // Flask's page on SECRET_KEY.
    "192b9bdd22ab9ed4d12e236c78afcb9a393ec15f71bbf5dc987d54727823bcbf",
    // RFC 7515, appendix A.1.
    "aym1sysppbydfgzld3umj1qzkobwvmkoqqestjqlrt1qs0gzh75aktmn3yj0ips4hcguutwjazzr1z7caow",
];

/// Words that say of themselves that the key is not meant for use.
const DISCLAIMERS: &[&str] = &[
    "djangoinsecure",
    "changeme",
    "changethis",
    "changeit",
    "replaceme",
    "replacethis",
    "donotuse",
    "insecurekey",
];

/// Words of which placeholders are made.
const FILLERS: &[&str] = &[
    "secret",
    "super",
    "key",
    "jwt",
    "json",
    "web",
    "token",
    "sign",
    "ing",
    "auth",
    "my",
    "your",
    "our",
    "the",
    "this",
    "that",
    "is",
    "an",
    "a",
    "very",
    "really",
    "long",
    "strong",
    "safe",
    "secure",
    "random",
    "string",
    "password",
    "passphrase",
    "please",
    "at",
    "least",
    "bits",
    "bit",
    "bytes",
    "byte",
    "char",
    "characters",
    "s",
    "and",
    "for",
    "here",
    "goes",
    "in",
    "of",
    "to",
    "be",
    "not",
    "so",
    "must",
    "should",
    "hs",
    "sha",
    "hmac",
    "default",
    "example",
    "sample",
    "placeholder",
    "private",
    "access",
    "refresh",
    "app",
    "application",
    "django",
    "flask",
    "countersign",
    "production",
];

/// Why this key can't be used, if it can't (SEC-14).
pub(super) fn refuse(setting: &str, key: &[u8]) -> Option<Problem> {
    const MEND: &str =
        "Generate one, for example with `openssl rand -base64 48`, or unset it: one is generated then";
    let why = if key.len() < LEAST {
        format!("the key has {} bytes; it needs at least {LEAST}", key.len())
    } else if is_published(key) {
        "the key is printed in public documentation, so everybody knows it".to_owned()
    } else if is_placeholder(key) {
        "the key is a placeholder, which can be guessed".to_owned()
    } else if is_monotonous(key) {
        "the key has too little variety, so that it can be guessed".to_owned()
    } else {
        return None;
    };
    Some(Problem::new(setting, why, MEND))
}

/// The letters and digits of a key, in lower case.
fn plain(key: &[u8]) -> String {
    key.iter()
        .filter(|byte| byte.is_ascii_alphanumeric())
        .map(|byte| char::from(byte.to_ascii_lowercase()))
        .collect()
}

fn is_published(key: &[u8]) -> bool {
    let plain = plain(key);
    PUBLISHED.contains(&plain.as_str())
}

/// Whether the key says that it isn't meant, or nothing remains of its letters but words of placeholders.
fn is_placeholder(key: &[u8]) -> bool {
    let plain = plain(key);
    if DISCLAIMERS.iter().any(|words| plain.contains(words)) {
        return true;
    }
    let letters: String = plain.chars().filter(char::is_ascii_alphabetic).collect();
    // A key without letters is judged by its variety alone, a binary one has few letters by chance.
    letters.len() * 2 >= key.len() && is_made_of_fillers(&letters)
}

/// Whether the text can be cut into [`FILLERS`] without remainder: marks each place that some cutting
/// reaches.
fn is_made_of_fillers(letters: &str) -> bool {
    let mut reached = vec![false; letters.len() + 1];
    for start in 0..letters.len() {
        if start > 0 && !reached.get(start).copied().unwrap_or(false) {
            continue;
        }
        let rest = letters.get(start..).unwrap_or_default();
        for word in FILLERS.iter().filter(|word| rest.starts_with(**word)) {
            if let Some(place) = reached.get_mut(start + word.len()) {
                *place = true;
            }
        }
    }
    reached.last().copied().unwrap_or(false)
}

/// Whether few different bytes occur, the key repeats a shorter one, or most of its bytes just count up
/// or down.
fn is_monotonous(key: &[u8]) -> bool {
    let mut seen = [false; 256];
    for byte in key {
        if let Some(place) = seen.get_mut(usize::from(*byte)) {
            *place = true;
        }
    }
    let different = seen.iter().filter(|seen| **seen).count();
    // 16 random bytes in hexadecimal show fewer than 8 of the 16 digits less than once in ten million keys.
    const LEAST_DIFFERENT: usize = 8;
    let repeats = (1..=key.len() / 2).any(|period| {
        let later = key.iter().skip(period);
        later.zip(key).all(|(byte, before)| byte == before)
    });
    let counting = key.windows(3).filter(|three| goes_on(three)).count();
    different < LEAST_DIFFERENT || repeats || counting * 2 > key.len()
}

/// Whether three bytes stay, rise by one, or fall by one.
fn goes_on(three: &[u8]) -> bool {
    let [first, second, third] = three else { return false };
    let step = i16::from(*second) - i16::from(*first);
    step.abs() <= 1 && i16::from(*third) - i16::from(*second) == step
}
