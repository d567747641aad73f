//! Where a person may be sent back to: the addresses that the operator has named, compared as browsers read them.

use url::Url;

use crate::settings::Settings;

/// More than anybody needs, and little enough for a row and a header.
const LONGEST: usize = 2_000;

/// The address to return to: the one that is asked for if it is allowed, else `public_url`. `None`: it is not allowed
/// (SEC-95).
///
/// What browsers would read otherwise than it looks is refused before it is parsed, whichever host the parser finds:
/// a backslash, white space, characters that are not ASCII, a scheme that is not followed by two slashes and a host, a
/// user name. What is compared, and what is sent, is the parsed address (WHATWG URL), in which `..` and `%2e%2e` are
/// resolved.
pub(super) fn judge(settings: &Settings, asked: Option<&str>) -> Option<Url> {
    let Some(asked) = asked else { return Some(settings.public_url.clone()) };
    if !is_plain(asked) {
        return None;
    }
    let url = Url::parse(asked).ok()?;
    let is_allowed = !has_more_than_host_path_and_query(&url)
        && (url == settings.public_url || settings.allowed_return_urls.iter().any(|to| to.allows(&url)));
    is_allowed.then_some(url)
}

/// The address with `error=word` at the end of its query.
pub(super) fn with_error(to: &Url, word: &str) -> Url {
    let mut to = to.clone();
    to.query_pairs_mut().append_pair("error", word);
    to
}

fn is_plain(asked: &str) -> bool {
    let lower = asked.to_ascii_lowercase();
    let behind = lower.strip_prefix("https://").or_else(|| lower.strip_prefix("http://"));
    let host = behind.map(|behind| behind.split(['/', '?', '#']).next().unwrap_or_default());
    let clean = asked.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    asked.len() <= LONGEST && clean && host.is_some_and(|host| !host.is_empty() && !host.contains(['@', '%']))
}

/// A fragment would hide the error from a page that looks for it in the query, and a server behind the address may take
/// an encoded slash for a slash.
fn has_more_than_host_path_and_query(url: &Url) -> bool {
    let path = url.path().to_ascii_lowercase();
    let hidden = ["//", "%2f", "%5c", "%00", "%0a", "%0d"].iter().any(|it| path.contains(it));
    let has_user = !url.username().is_empty() || url.password().is_some();
    has_user || url.fragment().is_some() || hidden
}
