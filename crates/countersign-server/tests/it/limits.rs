//! The limits on connections, files and time, held against the real program.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};

use crate::program::Operator;

// SEC-72: with the time-outs that hold in real life.
#[test]
fn two_hundred_slow_clients_are_cut_off_and_nobody_else_notices() {
    let service = Operator::new().serve();
    let begin = Instant::now();
    let mut slow: Vec<_> = (0..200)
        .map(|_| {
            let mut stream = service.connect();
            stream.write_all(b"GET /health/live HTTP/1.1\r\nX-Slow: ").unwrap();
            stream
        })
        .collect();
    while begin.elapsed() < Duration::from_secs(9) {
        let asked = Instant::now();
        assert!(service.get("/health/live").starts_with("HTTP/1.1 200"));
        assert!(asked.elapsed() < Duration::from_secs(5));
        for stream in &mut slow {
            stream.write_all(b"x").unwrap();
        }
        std::thread::sleep(Duration::from_secs(1));
    }
    for stream in &mut slow {
        let mut byte = [0];
        // Closed, or reset because of a byte that nobody read: either way over.
        assert!(!matches!(stream.read(&mut byte), Ok(1)), "a slow client got an answer");
    }
    let took = begin.elapsed();
    assert!(took < Duration::from_secs(25), "slow clients were kept for {took:?}");
}

#[test]
fn it_survives_having_no_file_left_for_another_connection() {
    let mut service = Operator::new().serve();
    let id = Pid::from_raw(service.id().cast_signed()).unwrap();
    let open = std::fs::read_dir(format!("/proc/{}/fd", service.id())).unwrap().count();
    let usual = getrlimit(Resource::Nofile);
    let none_left = Rlimit { current: Some(u64::try_from(open).unwrap() - 1), maximum: usual.maximum };
    prlimit(Some(id), Resource::Nofile, none_left).unwrap();
    let mut client = service.connect();
    client.write_all(b"GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let line = service.log_line("no connection can be accepted");
    assert!(line.contains("WARN"), "{line}");
    prlimit(Some(id), Resource::Nofile, usual).unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}
