//! Keys: the secret key, found or made, and one key for each purpose derived from it (SEC-105).

use std::fs::OpenOptions;
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit as _};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::secret::{ExposeSecret as _, SecretString, random_bytes};

/// HMAC with SHA-256, its key schedule done.
pub(crate) type Mac = Hmac<Sha256>;

const KEY_FILE: &str = "secret_key";

/// What makes and recognises refresh tokens under one secret key.
#[derive(Clone)]
pub(crate) struct RefreshKey {
    /// Proves that we issued a token.
    pub(crate) tag: Mac,
    /// Derives a token's successor.
    pub(crate) successor: Mac,
}

impl RefreshKey {
    /// HKDF (RFC 5869) with a label for each purpose; the secret key itself signs access tokens alone.
    pub(crate) fn derive(secret_key: &SecretString) -> Self {
        let root = root(secret_key);
        Self {
            tag: expand(&root, b"countersign refresh token tag 1"),
            successor: expand(&root, b"countersign refresh token successor 1"),
        }
    }
}

/// What makes one-time tokens under one secret key.
#[derive(Clone)]
pub(crate) struct OneTimeKey {
    pub(crate) token: Mac,
}

impl OneTimeKey {
    /// HKDF (RFC 5869), as for refresh tokens.
    pub(crate) fn derive(secret_key: &SecretString) -> Self {
        Self { token: expand(&root(secret_key), b"countersign one-time token 1") }
    }
}

/// What makes and recognises the states of OAuth attempts, and what follows from them, under one secret key.
#[derive(Clone)]
pub(crate) struct OAuthKey {
    /// Proves that we made a state.
    pub(crate) tag: Mac,
    /// Derives a state's nonce.
    pub(crate) nonce: Mac,
    /// Derives a state's PKCE verifier.
    pub(crate) verifier: Mac,
}

impl OAuthKey {
    /// HKDF (RFC 5869), as for refresh tokens.
    pub(crate) fn derive(secret_key: &SecretString) -> Self {
        let root = root(secret_key);
        Self {
            tag: expand(&root, b"countersign oauth state tag 1"),
            nonce: expand(&root, b"countersign oauth nonce 1"),
            verifier: expand(&root, b"countersign oauth verifier 1"),
        }
    }
}

/// What proves that we have marked a device.
pub(crate) fn device_key(secret_key: &SecretString) -> Mac {
    expand(&root(secret_key), b"countersign device mark 1")
}

/// What makes the keys of limits out of names and addresses.
pub(crate) fn limit_key(secret_key: &SecretString) -> Mac {
    expand(&root(secret_key), b"countersign limit key 1")
}

fn root(secret_key: &SecretString) -> Hkdf<Sha256> {
    Hkdf::new(None, secret_key.expose_secret().as_bytes())
}

#[expect(clippy::expect_used, reason = "32 bytes are a legal HKDF output and a legal HMAC key")]
fn expand(root: &Hkdf<Sha256>, label: &[u8]) -> Mac {
    let mut key = Zeroizing::new([0; 32]);
    root.expand(label, &mut *key).expect("HKDF gives up to 8,160 bytes");
    Mac::new_from_slice(&*key).expect("HMAC takes keys of any length")
}

/// Creates the folder for the service's files, for its owner alone (mode 0700), where it does not exist.
///
/// # Errors
/// A sentence for the operator.
pub(crate) fn make_data_dir(data_dir: &Path) -> Result<(), String> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(data_dir).map_err(|fault| {
        format!(
            "can't create the data folder {}: {fault}. Name another one with `data_dir`",
            data_dir.display()
        )
    })
}

/// Reads the generated secret key, generating it the first time (256 random bits, mode 0600). Of several programs that
/// start together one makes the key, and the others read it.
///
/// # Errors
/// A sentence for the operator.
pub(crate) fn generated_secret_key(data_dir: &Path) -> Result<SecretString, String> {
    let file = data_dir.join(KEY_FILE);
    let fail = |what: &str, fault: &std::io::Error| {
        format!("can't {what} the secret key {}: {fault}. See that it belongs to this user", file.display())
    };
    match read(&file) {
        Ok(key) => checked(&file, key),
        Err(fault) if fault.kind() == ErrorKind::NotFound => {
            generate(data_dir, &file).map_err(|fault| fail("write", &fault))?;
            let key = read(&file).map_err(|fault| fail("read", &fault))?;
            checked(&file, key)
        }
        Err(fault) => Err(fail("read", &fault)),
    }
}

fn read(file: &Path) -> std::io::Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::new());
    std::fs::File::open(file)?.read_to_string(&mut text)?;
    Ok(text)
}

fn checked(file: &Path, text: Zeroizing<String>) -> Result<SecretString, String> {
    let key = text.trim_end_matches(['\r', '\n']);
    if key.len() < 32 {
        return Err(format!(
            "the secret key {} has {} bytes, at least 32 are needed: restore it from a backup. Without it every \
             sign-in ends",
            file.display(),
            key.len()
        ));
    }
    Ok(SecretString::from(key))
}

/// Written whole beside its place and then linked into it: a reader never finds half a key, and nobody's key is
/// overwritten.
fn generate(data_dir: &Path, file: &Path) -> std::io::Result<()> {
    let key = Zeroizing::new(URL_SAFE_NO_PAD.encode(Zeroizing::new(random_bytes::<48>()).as_slice()));
    let draft = data_dir.join(format!(".{KEY_FILE}.{:x}", u64::from_le_bytes(random_bytes())));
    let mut out = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    out.write_all(key.as_bytes())?;
    out.write_all(b"\n")?;
    out.sync_all()?;
    let linked = match std::fs::hard_link(&draft, file) {
        Err(fault) if fault.kind() != ErrorKind::AlreadyExists => Err(fault),
        _ => Ok(()),
    };
    std::fs::remove_file(&draft)?;
    linked?;
    std::fs::File::open(data_dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    // SEC-14, SEC-105
    #[test]
    fn the_generated_key_is_random_private_and_kept() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        make_data_dir(&data).unwrap();
        let first = generated_secret_key(&data).unwrap();
        let again = generated_secret_key(&data).unwrap();
        assert_eq!(first.expose_secret(), again.expose_secret());
        assert!(first.expose_secret().len() >= 43);
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&data.join(KEY_FILE)), 0o600);
        assert_eq!(mode(&data), 0o700);
        assert_eq!(std::fs::read_dir(&data).unwrap().count(), 1, "the draft is gone");
    }

    #[test]
    fn programs_that_start_together_agree_on_one_key() {
        let dir = tempfile::tempdir().unwrap();
        let keys: Vec<String> = std::thread::scope(|scope| {
            let make = || generated_secret_key(dir.path()).map(|key| key.expose_secret().to_owned());
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(make)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap().unwrap()).collect()
        });
        assert!(keys.windows(2).all(|pair| pair[0] == pair[1]));
    }

    #[test]
    fn a_damaged_key_file_stops_the_start() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(KEY_FILE), "short\n").unwrap();
        assert!(generated_secret_key(dir.path()).unwrap_err().contains("5 bytes"));
    }

    // SEC-33
    #[test]
    fn each_purpose_has_a_key_of_its_own() {
        use hmac::Mac as _;
        let secret_key = SecretString::from("k".repeat(48));
        let RefreshKey { tag, successor } = RefreshKey::derive(&secret_key);
        let one_time = OneTimeKey::derive(&secret_key).token;
        let oauth = OAuthKey::derive(&secret_key);
        let (device, limit) = (device_key(&secret_key), limit_key(&secret_key));
        let macs = [tag, successor, device, limit, one_time, oauth.tag, oauth.nonce, oauth.verifier];
        let made = macs.map(|mac| mac.chain_update(b"x").finalize().into_bytes());
        let different: std::collections::HashSet<_> = made.iter().collect();
        assert_eq!(different.len(), made.len());
    }
}
