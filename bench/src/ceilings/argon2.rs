//! The password hash by itself: the fastest engine at the service's default parameters, on all cores.

use std::sync::Barrier;
use std::time::{Duration, Instant};

use argon2_rust::params::Memory;
use argon2_rust::{Algorithm, Argon2, Params, Version};

use crate::Outcome;
use crate::figures::Done;
use crate::machine::cores;

/// Hashes with one thread to each core, every thread keeping its memory.
///
/// # Errors
/// When the memory can't be had.
pub(crate) fn hash_on_all_cores(lasts: Duration) -> Outcome<Done> {
    let threads = cores();
    let params = Params::builder().memory(Memory::kib(19_456)).passes(2).lanes(1).build()?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let ready = Barrier::new(threads);
    let done: Vec<Outcome<(u64, Duration)>> = std::thread::scope(|scope| {
        let lanes: Vec<_> = (0..threads).map(|_| scope.spawn(|| lane(argon2, &ready, lasts))).collect();
        lanes
            .into_iter()
            .map(|lane| lane.join().unwrap_or_else(|_| Err("a hash thread died".into())))
            .collect()
    });
    let mut all = Done { count: 0, lasted: Duration::ZERO };
    for lane in done {
        let (count, lasted) = lane?;
        all.count += count;
        all.lasted = all.lasted.max(lasted);
    }
    Ok(all)
}

fn lane(argon2: Argon2, ready: &Barrier, lasts: Duration) -> Outcome<(u64, Duration)> {
    let mut hasher = argon2.hasher();
    let mut tag = [0; 32];
    // The first hash takes the memory from the system: that is start-up, not rate.
    let first = hasher.hash_into(b"a quiet evening", b"sixteen bytes ok", &mut tag);
    ready.wait();
    first?;
    let (started, mut count) = (Instant::now(), 0);
    while started.elapsed() < lasts {
        hasher.hash_into(std::hint::black_box(b"a quiet evening"), b"sixteen bytes ok", &mut tag)?;
        std::hint::black_box(&tag);
        count += 1;
    }
    Ok((count, started.elapsed()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_hashes_are_made() {
        assert!(hash_on_all_cores(Duration::from_millis(50)).unwrap().rate() > 1.0);
    }
}
