//! How many tokens one core checks and signs in a second, beside `jsonwebtoken` on the same tokens in the same run:
//! `cargo run --release -p countersign-token --example verify_rate`

#![expect(clippy::print_stdout, reason = "the figures are what this program is for")]

use std::error::Error;
use std::hint::black_box;
use std::time::{Duration, Instant};

use countersign_token::{HmacKey, NewToken, Signer, Verifier};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use serde::{Deserialize, Serialize};

const KEY: &[u8] = b"0123456789abcdef0123456789abcdef";
const ISSUER: &str = "https://auth.example.com";
const NOW: i64 = 1_700_000_000;

/// Each contestant runs for this long in each round; the median of the rounds counts.
const SLICE: Duration = Duration::from_millis(200);
const ROUNDS: usize = 9;

/// What `jsonwebtoken` reads and writes: the same claims as ours.
#[derive(Clone, Serialize, Deserialize)]
struct Rival {
    sub: String,
    iat: i64,
    exp: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    jti: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    iss: Option<String>,
}

struct Contestant<'a> {
    name: &'static str,
    work: Box<dyn Fn() -> bool + 'a>,
    rates: Vec<f64>,
}

impl<'a> Contestant<'a> {
    fn new(name: &'static str, work: impl Fn() -> bool + 'a) -> Self {
        Self { name, work: Box::new(work), rates: Vec::new() }
    }

    fn run(&mut self) -> Result<(), String> {
        let start = Instant::now();
        let mut done = 0_u32;
        while start.elapsed() < SLICE {
            for _ in 0..256 {
                if !(self.work)() {
                    return Err(format!("{}: refused", self.name));
                }
            }
            done += 256;
        }
        self.rates.push(f64::from(done) / start.elapsed().as_secs_f64());
        Ok(())
    }

    fn median(&mut self) -> f64 {
        self.rates.sort_by(f64::total_cmp);
        self.rates.get(self.rates.len() / 2).copied().unwrap_or(0.0)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let key = HmacKey::new(KEY)?;
    let signer = Signer::new(key.clone(), ISSUER, None);
    let verifier = Verifier::builder().key(key).issuer(ISSUER).accept_minimal(true).build()?;
    let new = NewToken {
        subject: "1843749823749823",
        sign_in: "1843749823749999",
        token_id: "qMzIwMTIzNDU2Nzg5MA",
        issued_at: NOW,
        expires_at: NOW + 600,
    };
    let full = signer.sign(&new);

    let rival = Rival {
        sub: new.subject.into(),
        iat: NOW,
        exp: NOW + 600,
        jti: Some(new.token_id.into()),
        sid: Some(new.sign_in.into()),
        token_type: Some("access".into()),
        iss: Some(ISSUER.into()),
    };
    let bare = Rival { jti: None, sid: None, token_type: None, iss: None, ..rival.clone() };
    let encoding = EncodingKey::from_secret(KEY);
    let decoding = DecodingKey::from_secret(KEY);
    let minimal = encode(&Header::default(), &bare, &encoding)?;
    let mut validation = Validation::new(Algorithm::HS256);
    validation.set_issuer(&[ISSUER]);
    let mut validation_of_minimal = Validation::new(Algorithm::HS256);
    // Its clock can't be set, and for it the `exp` of these tokens is long past: it is spared that one comparison.
    validation.validate_exp = false;
    validation_of_minimal.validate_exp = false;

    let mut contestants = [
        Contestant::new("verify, full token", || verifier.verify(black_box(&full), NOW).is_ok()),
        Contestant::new("verify, full token, jsonwebtoken", || {
            decode::<Rival>(black_box(&full), &decoding, &validation).is_ok()
        }),
        Contestant::new("verify, minimal token", || verifier.verify(black_box(&minimal), NOW).is_ok()),
        Contestant::new("verify, minimal token, jsonwebtoken", || {
            decode::<Rival>(black_box(&minimal), &decoding, &validation_of_minimal).is_ok()
        }),
        Contestant::new("sign, full token", || !black_box(signer.sign(black_box(&new))).is_empty()),
        Contestant::new("sign, full token, jsonwebtoken", || {
            encode(&Header::default(), black_box(&rival), &encoding).is_ok()
        }),
    ];
    for _ in 0..ROUNDS {
        for contestant in &mut contestants {
            contestant.run()?;
        }
    }
    println!("full token: {} bytes, minimal token: {} bytes", full.len(), minimal.len());
    for contestant in &mut contestants {
        let rate = contestant.median();
        println!("{:<38}{rate:>10.0}/s", contestant.name);
    }
    Ok(())
}
