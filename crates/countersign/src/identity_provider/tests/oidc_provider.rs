//! Somebody else's issuer: the npm package oidc-provider, certified by the OpenID Foundation, started for real.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::OnceLock;

use reqwest::header::{CONTENT_TYPE, LOCATION};
use reqwest::{Client, redirect};

use super::*;

const HERE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/oidc-provider");
const LOCK: &str = include_str!("../../../tests/oidc-provider/package-lock.json");
const MEND: &str = "install Node 20 or newer with npm and see that npm reaches a registry";
const ID: &str = "countersign";
const SECRET: &str = "a secret: with/odd+characters%";

/// The issuer at work, until it is dropped.
struct RealIssuer {
    process: Child,
    url: String,
    /// Held, since it writes there now and then.
    _output: BufReader<ChildStdout>,
}

impl RealIssuer {
    fn start() -> Self {
        static INSTALLED: OnceLock<PathBuf> = OnceLock::new();
        let folder = INSTALLED.get_or_init(install);
        let mut node = Command::new("node");
        node.arg(folder.join("server.mjs")).args([ID, SECRET, "http://localhost:8000/oauth/idp/callback"]);
        node.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = node.spawn().expect(MEND);
        let mut url = String::new();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        output.read_line(&mut url).unwrap();
        assert!(url.starts_with("http://127.0.0.1:"), "the issuer did not start: {url}");
        Self { process, url: url.trim_end().to_owned(), _output: output }
    }

    fn trip(&self, secret: &str) -> Trip {
        Trip::with("idp", registration(ID, secret, &self.url))
    }
}

impl Drop for RealIssuer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Installs what the lock file pins, once for each state of it. Several processes may do so at the same time: each in a
/// folder of its own, which takes its place when it is whole.
fn install() -> PathBuf {
    let executable = std::env::current_exe().unwrap();
    let hash = URL_SAFE_NO_PAD.encode(&Sha256::digest(LOCK.as_bytes())[..9]);
    let base = executable.ancestors().nth(3).unwrap().join("tmp");
    let folder = base.join(format!("oidc-provider-{hash}"));
    if !folder.exists() {
        let own = base.join(format!("oidc-provider-{hash}-{}", std::process::id()));
        std::fs::create_dir_all(&own).unwrap();
        for file in ["package.json", "package-lock.json"] {
            std::fs::copy(Path::new(HERE).join(file), own.join(file)).unwrap();
        }
        let mut npm = Command::new("npm");
        npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]).current_dir(&own);
        let ended = npm.output().unwrap_or_else(|fault| panic!("npm: {fault}; {MEND}"));
        assert!(ended.status.success(), "npm: {}; {MEND}", String::from_utf8_lossy(&ended.stderr));
        if std::fs::rename(&own, &folder).is_err() {
            std::fs::remove_dir_all(&own).unwrap();
        }
    }
    std::fs::copy(Path::new(HERE).join("server.mjs"), folder.join("server.mjs")).unwrap();
    folder
}

/// A browser without a screen: it keeps cookies, follows redirects and fills in the forms that it gets, until it is sent
/// back to us.
async fn sign_in(trip: &Trip, name: &str) -> Brought {
    let browser = Client::builder().cookie_store(true).redirect(redirect::Policy::none()).build().unwrap();
    let mut url = trip.provider().authorization_url(&trip.asked()).await.unwrap();
    let mut answer = browser.get(url.clone()).send().await.unwrap();
    for _ in 0..20 {
        if let Some(location) = answer.headers().get(LOCATION) {
            url = url.join(location.to_str().unwrap()).unwrap();
            if url.as_str().starts_with(trip.redirect_uri.as_str()) {
                return url.query_pairs().into_owned().collect();
            }
            answer = browser.get(url.clone()).send().await.unwrap();
            continue;
        }
        let page = answer.text().await.unwrap();
        let (action, fields) = filled_in(&page, name);
        url = url.join(&action).unwrap();
        let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&fields).finish();
        let post = browser.post(url.clone()).header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        answer = post.body(form).send().await.unwrap();
    }
    panic!("the way does not end: {url}");
}

/// The one form of a page: where it goes, and what stands in it.
fn filled_in(page: &str, name: &str) -> (String, Brought) {
    let attribute = |tag: &str, name: &str| {
        let rest = tag.split_once(&format!("{name}=\""))?.1;
        Some(rest.split_once('"')?.0.to_owned())
    };
    let form = page.split_once("<form").unwrap_or_else(|| panic!("no form: {page}")).1;
    let form = form.split_once("</form>").unwrap().0;
    let fields = form.split("<input").skip(1).filter_map(|input| {
        let field = attribute(input, "name")?;
        let value =
            if field == "login" { name.to_owned() } else { attribute(input, "value").unwrap_or_default() };
        Some((field, if value.is_empty() { "x".to_owned() } else { value }))
    });
    (attribute(form, "action").unwrap(), fields.collect())
}

// SEC-89, SEC-91
#[tokio::test(flavor = "multi_thread")]
async fn a_real_issuer_vouches_for_somebody() {
    let issuer = RealIssuer::start();
    let trip = issuer.trip(SECRET);
    let brought = sign_in(&trip, "grace").await;
    assert_eq!(brought["iss"], issuer.url);
    let expected = Vouched {
        issuer: issuer.url.clone(),
        subject: "grace".to_owned(),
        username: Some("grace".to_owned()),
        name: Some("Ada Lovelace".to_owned()),
        email: Some("grace@example.com".to_owned()),
        email_verified: true,
    };
    assert_eq!(trip.redeem(&brought).await, Ok(expected));
    assert_eq!(trip.redeem(&brought).await, Err(ProviderFault::Refused), "a code is good once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_issuer_wants_our_secret_and_our_verifier() {
    let issuer = RealIssuer::start();
    let stranger = issuer.trip("wrong");
    let brought = sign_in(&stranger, "grace").await;
    assert_eq!(stranger.redeem(&brought).await.unwrap_err().word(), "misconfigured");
    let mut trip = issuer.trip(SECRET);
    let brought = sign_in(&trip, "grace").await;
    trip.verifier = SecretString::from("another-verifier-which-is-long-enough-as-well".to_owned());
    assert_eq!(trip.redeem(&brought).await, Err(ProviderFault::Refused));
    let mut other = issuer.trip(SECRET);
    let brought = sign_in(&other, "grace").await;
    other.nonce = SecretString::from("another".to_owned());
    assert_eq!(other.redeem(&brought).await.unwrap_err().word(), "nonce");
}
