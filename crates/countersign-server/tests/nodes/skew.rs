//! Nodes whose clocks are three minutes apart: the time that counts is the database's.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use countersign_testbed::postgres_or_skip;

use crate::checker::Log;
use crate::checker::witness::{Held, Witness};
use crate::program::Service;
use crate::site::{PASSWORD, Site, found_or_skip};

const RACES: usize = 20;

/// The library of Debian's package `faketime`, in the folder of the machine's architecture.
fn faketime() -> Option<PathBuf> {
    let folders = std::fs::read_dir("/usr/lib").ok()?.flatten();
    folders.map(|folder| folder.path().join("faketime/libfaketimeMT.so.1")).find(|library| library.exists())
}

/// A node on a machine whose clock is off by so much.
fn node(site: &Site, library: &Path, off_by: &str) -> Service {
    site.node_with(&[
        ("LD_PRELOAD", library.to_str().unwrap()),
        ("FAKETIME", off_by),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
    ])
}

fn witness(node: &Service) -> Witness {
    Witness::new(format!("http://{}", node.address), Arc::new(Log::default()))
}

/// Seconds since 1970, by the machine's true clock.
fn now() -> i64 {
    let since = std::time::UNIX_EPOCH.elapsed().unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

/// A claim that is a number, of a token that is not verified.
fn claim(token: &str, name: &str) -> i64 {
    let decoded = base64(token.split('.').nth(1).unwrap());
    let claims: serde_json::Value = serde_json::from_slice(&decoded).unwrap();
    claims[name].as_i64().unwrap()
}

fn base64(text: &str) -> Vec<u8> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let digits = text.bytes().map(|byte| ALPHABET.iter().position(|it| *it == byte).unwrap());
    let bits: Vec<bool> =
        digits.flat_map(|digit| (0..6).rev().map(move |bit| digit >> bit & 1 == 1)).collect();
    let byte = |bits: &[bool]| bits.iter().fold(0, |byte, bit| byte << 1 | u8::from(*bit));
    bits.chunks_exact(8).map(byte).collect()
}

/// What each of two tabs that refresh at once hears.
async fn race(early: &Witness, late: &Witness, held: &Held) -> Held {
    let replies = tokio::join!(early.refresh(&held.refresh, None), late.refresh(&held.refresh, None));
    let (won, lost) = if replies.0.status == 200 { (replies.0, replies.1) } else { (replies.1, replies.0) };
    assert_eq!((won.status, lost.status), (200, 401), "{won:?} {lost:?}");
    assert_eq!(lost.code, "refresh_token_spent", "{lost:?}");
    assert_eq!((lost.session_ended, lost.cookie), (Some(false), None));
    won.held.unwrap()
}

// SEC-46
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clocks_that_are_three_minutes_apart_change_nothing() {
    let library = faketime();
    if !postgres_or_skip() || !found_or_skip(library.as_deref(), "libfaketime", "faketime") {
        return;
    }
    let (site, library) = (Site::new(), library.unwrap());
    let nodes = [node(&site, &library, "+90"), node(&site, &library, "-90")];
    let (ahead, behind) = (witness(&nodes[0]), witness(&nodes[1]));
    assert_eq!(ahead.sign_up("ada", PASSWORD).await.status, 201);
    for (one, other) in [(&ahead, &behind), (&behind, &ahead)] {
        let mut held = one.sign_in("ada", PASSWORD).await.held.unwrap();
        for _ in 0..RACES {
            let issued_at = claim(&held.access, "iat");
            assert!((now() - issued_at).abs() <= 5, "made at {issued_at}, at {} in truth", now());
            assert_eq!(claim(&held.access, "exp") - issued_at, 600);
            for node in [one, other] {
                assert_eq!(node.me(&held).await.status, 200, "a token of a moment ago");
            }
            held = race(one, other, &held).await;
        }
    }
    for (node, off_by) in nodes.into_iter().zip([90_000, -90_000]) {
        let (_, log) = node.stop();
        let line =
            log.lines().find(|line| line.contains("this machine's clock differs")).expect("it noticed");
        let told = serde_json::from_str::<serde_json::Value>(line).unwrap()["off_by_ms"].as_i64().unwrap();
        assert!((told - off_by).abs() < 2_000, "{line}");
    }
}
