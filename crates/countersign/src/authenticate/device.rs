//! Known devices: a browser in which an account's owner has signed in shows a mark, and so keeps an allowance of wrong
//! passwords that nobody else can use up.
//!
//! ```text
//! mark   = base64url( version(1) ‖ user(8) ‖ password_changes(8) ‖ device(16) ‖ marked_at(8) ‖ tag(16) )
//! cookie = mark . mark . …, the newest first: several people may use one browser
//! ```
//! The tag is an HMAC over everything before it. A mark is for one account under one password, and for a year: it opens
//! nothing, and where it is not good the device is just an unknown one.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::Mac as _;

use crate::id::UserId;
use crate::keys::Mac;
use crate::secret;
use crate::service::Countersign;
use crate::time::Timestamp;
use crate::user::Credential;

/// How long a device is remembered that nobody signs in with.
pub(super) const LIFETIME: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// How many people one browser can be known to.
const MOST_MARKS: usize = 8;
/// How many marks are looked at; an honest browser sends one cookie.
const MOST_READ: usize = 64;
const VERSION: u8 = 1;
const SIGNED: usize = 1 + 8 + 8 + 16 + 8;
const TAG: usize = 16;
const BYTES: usize = SIGNED + TAG;
const TEXT: usize = (BYTES * 8).div_ceil(6);

/// That an account's owner has signed in on a device, under one password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Device {
    user: UserId,
    password_changes: i64,
    id: [u8; 16],
    /// Whole seconds.
    marked_at: i64,
}

/// The devices that the values of a cookie prove, each account once. What we have not made ourselves is passed over.
pub(crate) fn authentic(service: &Countersign, values: &[&str]) -> Vec<Device> {
    let marks = values.iter().flat_map(|value| value.split('.').take(MOST_MARKS)).take(MOST_READ);
    let mut devices: Vec<Device> = Vec::new();
    for device in marks.filter_map(|mark| Device::recognise(service.device_keys(), mark)) {
        if !devices.iter().any(|known| known.user == device.user) {
            devices.push(device);
        }
    }
    devices
}

/// The id under which this account knows the device that showed these marks.
pub(super) fn known(devices: &[Device], credential: &Credential, now: Timestamp) -> Option<[u8; 16]> {
    devices.iter().find(|device| device.is_known(credential, now)).map(|device| device.id)
}

/// What the device shows from now on: that the account's owner has signed in on it, and the others' marks.
pub(super) fn marked(
    service: &Countersign,
    devices: &[Device],
    credential: &Credential,
    now: Timestamp,
) -> Option<String> {
    let key = service.device_keys().first()?;
    let id = known(devices, credential, now).unwrap_or_else(secret::random_bytes);
    let newest = Device {
        user: credential.user,
        password_changes: credential.password_changes,
        id,
        marked_at: now.as_seconds(),
    };
    let others = devices.iter().filter(|device| device.user != newest.user);
    let marks = std::iter::once(&newest).chain(others).take(MOST_MARKS);
    Some(marks.map(|device| device.mark(key)).collect::<Vec<_>>().join("."))
}

impl Device {
    fn is_known(&self, credential: &Credential, now: Timestamp) -> bool {
        let age = now.as_seconds().saturating_sub(self.marked_at);
        self.user == credential.user
            && self.password_changes == credential.password_changes
            && age <= i64::try_from(LIFETIME.as_secs()).unwrap_or(i64::MAX)
    }

    fn mark(&self, key: &Mac) -> String {
        let mut bytes = Vec::with_capacity(BYTES);
        bytes.push(VERSION);
        bytes.extend(self.user.as_i64().to_be_bytes());
        bytes.extend(self.password_changes.to_be_bytes());
        bytes.extend(self.id);
        bytes.extend(self.marked_at.to_be_bytes());
        bytes.extend(tag_of(key, &bytes));
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads a mark and checks its tag against each key, in constant time (SEC-36).
    fn recognise(keys: &[Mac], text: &str) -> Option<Self> {
        if text.len() != TEXT {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (signed, tag) = bytes.split_at_checked(SIGNED)?;
        keys.iter().find(|key| secret::equal(&tag_of(key, signed), tag))?;
        let (version, rest) = signed.split_first_chunk::<1>()?;
        let (user, rest) = rest.split_first_chunk::<8>()?;
        let (password_changes, rest) = rest.split_first_chunk::<8>()?;
        let (id, rest) = rest.split_first_chunk::<16>()?;
        let (marked_at, _) = rest.split_first_chunk::<8>()?;
        (*version == [VERSION]).then_some(Self {
            user: UserId::from_i64(i64::from_be_bytes(*user)),
            password_changes: i64::from_be_bytes(*password_changes),
            id: *id,
            marked_at: i64::from_be_bytes(*marked_at),
        })
    }
}

fn tag_of(key: &Mac, signed: &[u8]) -> [u8; TAG] {
    let full = key.clone().chain_update(signed).finalize().into_bytes();
    let mut tag = [0; TAG];
    tag.iter_mut().zip(full).for_each(|(place, byte)| *place = byte);
    tag
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::keys::device_key;
    use crate::secret::SecretString;

    fn key(seed: &str) -> Mac {
        device_key(&SecretString::from(seed.repeat(32)))
    }

    fn device(user: i64) -> Device {
        Device { user: UserId::from_i64(user), password_changes: 3, id: [7; 16], marked_at: 1_795_512_600 }
    }

    fn credential(user: i64, password_changes: i64) -> Credential {
        let user = UserId::from_i64(user);
        Credential {
            user,
            password_hash: None,
            epoch: 0,
            password_changes,
            is_alive: true,
            email_verified: true,
        }
    }

    #[test]
    fn a_mark_is_read_back_under_every_key_of_ours_and_no_other() {
        let mark = device(42).mark(&key("a"));
        assert_eq!(mark.len(), TEXT);
        assert_eq!(Device::recognise(&[key("b"), key("a")], &mark), Some(device(42)));
        assert_eq!(Device::recognise(&[key("b")], &mark), None);
    }

    // SEC-12
    #[test]
    fn a_device_is_known_to_one_account_under_one_password_for_a_year() {
        let device = device(42);
        let at = Timestamp::from_millis(device.marked_at * 1_000);
        assert!(device.is_known(&credential(42, 3), at.plus(LIFETIME)));
        assert!(!device.is_known(&credential(42, 3), at.plus(LIFETIME + Duration::from_secs(1))));
        assert!(!device.is_known(&credential(43, 3), at));
        assert!(!device.is_known(&credential(42, 4), at));
        assert!(device.is_known(&credential(42, 3), at.minus(LIFETIME)), "the clock was set back");
    }

    proptest! {
        // SEC-21
        #[test]
        fn one_altered_character_makes_it_a_stranger(at in 0..TEXT, letter in "[A-Za-z0-9_-]") {
            let mark = device(42).mark(&key("a"));
            let mut altered = mark.clone();
            altered.replace_range(at..=at, &letter);
            prop_assert_eq!(Device::recognise(&[key("a")], &altered).is_some(), altered == mark);
        }

        // SEC-69
        #[test]
        fn any_text_is_read_without_harm(text in ".{0,200}|[A-Za-z0-9_-]{76}") {
            prop_assert_eq!(Device::recognise(&[key("a")], &text), None);
        }
    }
}
