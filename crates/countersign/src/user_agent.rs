//! What a client calls itself, in words that its owner knows: "Firefox on Windows", "curl 8.5".

use crate::text::brief;

/// The longest name of a client, in characters.
const LONGEST: usize = 60;

/// Marks of browsers, the more particular first: nearly all of them call themselves Chrome or Safari too.
const BROWSERS: [(&str, &str); 15] = [
    ("Edg/", "Edge"),
    ("EdgA/", "Edge"),
    ("EdgiOS/", "Edge"),
    ("OPR/", "Opera"),
    ("OPX/", "Opera"),
    ("Vivaldi/", "Vivaldi"),
    ("YaBrowser/", "Yandex Browser"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("DuckDuckGo/", "DuckDuckGo"),
    ("FxiOS/", "Firefox"),
    ("Firefox/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
    ("AppleWebKit/", "an app"),
];

/// Marks of systems, the more particular first: an iPhone says "like Mac OS X", Android and ChromeOS are Linux.
const SYSTEMS: [(&str, &str); 8] = [
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("CrOS", "ChromeOS"),
    ("Macintosh", "macOS"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
];

/// A short name for the client behind a `User-Agent` (RFC 9110 §10.1.5): the browser and the system, or the program and
/// its version. What is neither is shown as it is, shortened and harmless.
#[must_use]
pub fn readable(user_agent: &str) -> String {
    let user_agent = user_agent.trim();
    let name = if user_agent.starts_with("Mozilla/") { browser(user_agent) } else { program(user_agent) };
    name.unwrap_or_else(|| brief(user_agent, LONGEST))
}

fn browser(user_agent: &str) -> Option<String> {
    let known = |marks: &[(&str, &'static str)]| {
        marks.iter().find(|(mark, _)| user_agent.contains(mark)).map(|(_, name)| *name)
    };
    let browser = known(&BROWSERS)?;
    Some(known(&SYSTEMS).map_or_else(|| browser.to_owned(), |system| format!("{browser} on {system}")))
}

/// The first product: `curl/8.5.0` is curl 8.5.
fn program(user_agent: &str) -> Option<String> {
    let (name, rest) = user_agent.split_once('/')?;
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if name.is_empty() || name.len() > LONGEST / 2 || !name.bytes().all(is_token) {
        return None;
    }
    let version = rest.split([' ', ';', ',']).next().unwrap_or_default().trim_start_matches('v');
    let numbers: Vec<&str> = version.split('.').take(2).take_while(|part| is_number(part)).collect();
    Some(if numbers.is_empty() { name.to_owned() } else { format!("{name} {}", numbers.join(".")) })
}

fn is_number(part: &str) -> bool {
    (1..=6).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KHTML: &str = "AppleWebKit/537.36 (KHTML, like Gecko)";

    #[test]
    fn browsers_are_known_by_name_and_system() {
        let windows = "Mozilla/5.0 (Windows NT 10.0; Win64; x64";
        for (user_agent, name) in [
            (format!("{windows}; rv:128.0) Gecko/20100101 Firefox/128.0"), "Firefox on Windows"),
            (format!("{windows}) {KHTML} Chrome/126.0.0.0 Safari/537.36"), "Chrome on Windows"),
            (format!("{windows}) {KHTML} Chrome/126.0.0.0 Safari/537.36 Edg/126.0.0.0"), "Edge on Windows"),
            (format!("{windows}) {KHTML} Chrome/126.0.0.0 Safari/537.36 OPR/112.0.0.0"), "Opera on Windows"),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) \
                 Version/17.5 Safari/605.1.15"
                    .to_owned(),
                "Safari on macOS",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) \
                 Version/17.5 Mobile/15E148 Safari/604.1"
                    .to_owned(),
                "Safari on iPhone",
            ),
            (
                "Mozilla/5.0 (iPad; CPU OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) \
                 CriOS/126.0 Mobile/15E148 Safari/604.1"
                    .to_owned(),
                "Chrome on iPad",
            ),
            (
                format!(
                    "Mozilla/5.0 (Linux; Android 14; SM-S921B) {KHTML} SamsungBrowser/25.0 Chrome/121.0.0.0 \
                     Mobile Safari/537.36"
                ),
                "Samsung Internet on Android",
            ),
            ("Mozilla/5.0 (Android 14; Mobile; rv:127.0) Gecko/127.0 Firefox/127.0".to_owned(), "Firefox on Android"),
            (format!("Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) {KHTML} Chrome/126.0 Safari/537.36"), "Chrome on ChromeOS"),
            ("Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0".to_owned(), "Firefox on Linux"),
            ("Mozilla/5.0 Firefox/1".to_owned(), "Firefox"),
            ("Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 Mobile".to_owned(), "an app on iPhone"),
        ] {
            assert_eq!(readable(&user_agent), name, "{user_agent}");
        }
    }

    #[test]
    fn programs_are_known_by_name_and_version() {
        for (user_agent, name) in [
            ("curl/8.5.0", "curl 8.5"),
            ("Wget/1.21.3 (linux-gnu)", "Wget 1.21"),
            ("python-requests/2.31.0", "python-requests 2.31"),
            ("Go-http-client/1.1", "Go-http-client 1.1"),
            ("okhttp/5", "okhttp 5"),
            ("node", "node"),
            ("Dart/3.4 (dart:io)", "Dart 3.4"),
            ("App.Name/v2.10.3-rc1 (iOS)", "App.Name 2.10"),
            ("tool/unknown", "tool"),
            (" curl/8.5.0 ", "curl 8.5"),
        ] {
            assert_eq!(readable(user_agent), name, "{user_agent}");
        }
    }

    // SEC-108
    #[test]
    fn anything_else_is_shortened_and_harmless() {
        assert_eq!(readable(""), "");
        assert_eq!(readable("an odd client, made by hand"), "an odd client, made by hand");
        assert_eq!(readable("Mozilla/5.0 (compatible)"), "Mozilla/5.0 (compatible)");
        assert_eq!(readable("evil\u{202e}\u{1b}[2J/1.0"), "evil\\u202e\\u001b[2J/1.0");
        assert_eq!(readable(&"x".repeat(300)).chars().count(), LONGEST + 1);
        assert_eq!(readable("<b>/1.0"), "<b>/1.0", "whoever shows it as HTML has to escape it");
    }

    proptest! {
        #[test]
        fn any_text_becomes_a_short_harmless_name(text in ".{0,300}") {
            let name = readable(&text);
            prop_assert!(name.chars().count() <= 6 * LONGEST + 1);
            prop_assert_eq!(crate::text::harmless(&name), name);
        }
    }
}
