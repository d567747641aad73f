//! The faulty network does to a plain echo what each of its modes says.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use countersign_testbed::{Direction, Proxy, When};

/// Says a letter, and then everything that it hears once more, on as many connections as come.
fn echo(greeting: &'static [u8; 1]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let mut client = client.unwrap();
            std::thread::spawn(move || {
                let mut other = client.try_clone().unwrap();
                let _ = other.write_all(greeting).and_then(|()| std::io::copy(&mut client, &mut other));
            });
        }
    });
    address
}

/// A connection that the server behind the proxy has greeted with this letter.
fn connect(proxy: &Proxy, greeting: &[u8; 1]) -> TcpStream {
    let mut stream = TcpStream::connect(proxy.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut heard = [0];
    stream.read_exact(&mut heard).unwrap();
    assert_eq!(&heard, greeting);
    stream
}

fn ask(stream: &mut TcpStream, text: &str) -> std::io::Result<String> {
    stream.write_all(text.as_bytes())?;
    let mut heard = vec![0; text.len()];
    stream.read_exact(&mut heard)?;
    Ok(String::from_utf8(heard).unwrap())
}

fn is_reset(stream: &mut TcpStream) -> bool {
    stream.read(&mut [0]).is_err_and(|error| error.kind() == ErrorKind::ConnectionReset)
}

fn is_silent(stream: &mut TcpStream) -> bool {
    stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    let is_silent = stream.read(&mut [0]).is_err_and(|error| error.kind() == ErrorKind::WouldBlock);
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    is_silent
}

fn until(what: &str, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(30), "in vain: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn it_passes_everything_on_and_each_end_by_itself() {
    let proxy = Proxy::start(echo(b"a"));
    let mut stream = connect(&proxy, b"a");
    assert_eq!(proxy.connections(), 1);
    let long = "0123456789abcdef".repeat(100_000);
    let mut sending = stream.try_clone().unwrap();
    let sent = long.clone();
    let sender = std::thread::spawn(move || {
        sending.write_all(sent.as_bytes()).unwrap();
        sending.shutdown(Shutdown::Write).unwrap();
    });
    let mut heard = String::new();
    stream.read_to_string(&mut heard).unwrap();
    sender.join().unwrap();
    assert!(heard == long, "{} of {} bytes", heard.len(), long.len());
    until("its client is gone", || proxy.connections() == 0);
}

/// Benchmarks go through it. On a busy machine most answers are late; the quickest shows what the proxy itself adds.
#[test]
fn it_passes_on_without_waiting_for_a_clock() {
    let proxy = Proxy::start(echo(b"a"));
    let mut stream = connect(&proxy, b"a");
    let round_trip = |_| {
        let begun = Instant::now();
        ask(&mut stream, "x").unwrap();
        begun.elapsed()
    };
    let quickest = (0..500).map(round_trip).min().unwrap();
    assert!(quickest < Duration::from_millis(1), "{quickest:?}");
}

#[test]
fn a_delay_holds_up_each_direction_and_not_what_comes_behind() {
    let proxy = Proxy::start(echo(b"a"));
    let mut stream = connect(&proxy, b"a");
    let delay = Duration::from_millis(300);
    proxy.delay(delay);
    let begun = Instant::now();
    for letter in b"slowly".chunks(1) {
        stream.write_all(letter).unwrap();
        // So that each letter is a chunk of its own.
        std::thread::sleep(Duration::from_millis(5));
    }
    let mut heard = [0; 6];
    stream.read_exact(&mut heard).unwrap();
    assert_eq!(&heard, b"slowly");
    assert!(begun.elapsed() >= delay * 2, "there and back: {:?}", begun.elapsed());
    assert!(begun.elapsed() < delay * 4, "six letters were under way at once: {:?}", begun.elapsed());
}

#[test]
fn a_black_hole_keeps_connections_and_gives_back_what_it_held() {
    let proxy = Proxy::start(echo(b"a"));
    let mut stream = connect(&proxy, b"a");
    proxy.black_hole();
    stream.write_all(b"anybody?").unwrap();
    assert!(is_silent(&mut stream));
    let mut later = TcpStream::connect(proxy.address()).unwrap();
    assert!(is_silent(&mut later));
    until("both are there", || proxy.connections() == 2);
    drop(TcpStream::connect(proxy.address()).unwrap());
    until("the third has come and left, unserved", || proxy.connections() == 2);
    proxy.pass();
    let mut heard = [0; 8];
    stream.read_exact(&mut heard).unwrap();
    assert_eq!(&heard, b"anybody?");
    later.read_exact(&mut [0]).unwrap();
    proxy.black_hole();
    drop(later);
    until("it sees who leaves, silent as it is", || proxy.connections() == 1);
}

#[test]
fn a_cut_resets_those_that_are_there_and_no_others() {
    let proxy = Proxy::start(echo(b"a"));
    let mut streams: Vec<_> = (0..8).map(|_| connect(&proxy, b"a")).collect();
    // One of them has a full pipe: its server's echo is not read.
    streams[0].set_write_timeout(Some(Duration::from_millis(200))).unwrap();
    while streams[0].write(&[0; 65_536]).is_ok() {}
    proxy.cut();
    assert_eq!(proxy.connections(), 0);
    assert!(streams[1..].iter_mut().all(is_reset));
    until("the full one is reset too", || streams[0].take_error().unwrap().is_some() || is_over(&streams[0]));
    assert_eq!(ask(&mut connect(&proxy, b"a"), "and on").unwrap(), "and on");
}

fn is_over(mut stream: &TcpStream) -> bool {
    stream
        .write(b"x")
        .is_err_and(|error| matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe))
}

#[test]
fn it_refuses_at_once_and_listens_again_on_the_same_port_before_another_server() {
    let proxy = Proxy::start(echo(b"a"));
    let mut present = connect(&proxy, b"a");
    for _ in 0..20 {
        proxy.refuse();
        let refused = TcpStream::connect(proxy.address()).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        assert_eq!(ask(&mut present, "still").unwrap(), "still");
        proxy.pass();
        connect(&proxy, b"a");
    }
    proxy.retarget(echo(b"b"));
    connect(&proxy, b"b");
    assert_eq!(ask(&mut present, "stays where it is").unwrap(), "stays where it is");
    let address = proxy.address();
    drop(proxy);
    assert_eq!(TcpStream::connect(address).unwrap_err().kind(), ErrorKind::ConnectionRefused);
}

#[test]
fn who_is_let_in_before_a_server_that_is_not_there_is_reset() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let proxy = Proxy::start(nobody);
    assert!(is_reset(&mut TcpStream::connect(proxy.address()).unwrap()));
}

#[test]
fn a_trap_is_sprung_once_by_its_bytes_and_on_its_way_alone() {
    let proxy = Proxy::start(echo(b"a"));
    for (direction, when, heard) in [
        (Direction::ToServer, When::BeforeForwarding, ""),
        (Direction::ToServer, When::AfterForwarding, ""),
        (Direction::ToClient, When::BeforeForwarding, ""),
        (Direction::ToClient, When::AfterForwarding, "COMMIT"),
    ] {
        let mut stream = connect(&proxy, b"a");
        proxy.cut_when(direction, b"COMMIT", when);
        assert_eq!(ask(&mut stream, "BEGIN").unwrap(), "BEGIN");
        stream.write_all(b"COMMIT").unwrap();
        let mut answer = vec![0; heard.len()];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(answer, heard.as_bytes());
        assert!(is_reset(&mut stream), "{direction:?} {when:?}");
    }
    assert_eq!(proxy.times_sprung(), 4);
    assert_eq!(ask(&mut connect(&proxy, b"a"), "COMMIT").unwrap(), "COMMIT");
}

/// What a server hears of the needle, and that it has the time to act on it.
#[test]
fn a_server_hears_the_needle_to_its_end_or_not_at_all() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = Proxy::start(server.local_addr().unwrap());
    for (when, arrives) in [(When::BeforeForwarding, false), (When::AfterForwarding, true)] {
        proxy.cut_when(Direction::ToServer, b"COMMIT", when);
        let mut client = TcpStream::connect(proxy.address()).unwrap();
        let (mut serving, _) = server.accept().unwrap();
        client.write_all(b"COMMIT").unwrap();
        let mut heard = String::new();
        assert_eq!(serving.read_to_string(&mut heard).is_ok(), arrives, "an end or a reset: {when:?}");
        assert_eq!(heard, if arrives { "COMMIT" } else { "" });
        if arrives {
            serving.write_all(b"done").unwrap();
            assert!(is_silent(&mut client), "the server is not done");
        }
        drop(serving);
        assert!(is_reset(&mut client), "{when:?}");
    }
}

#[test]
fn a_url_keeps_all_but_host_and_port() {
    let proxy = Proxy::start(echo(b"a"));
    let through = proxy.address();
    for (before, after) in [
        (
            "postgres://ada:p%40ss@db.example:5433/app?options=-ca",
            "postgres://ada:p%40ss@PROXY/app?options=-ca",
        ),
        ("postgres://[::1]:5432?user=ada", "postgres://PROXY?user=ada"),
        ("http://localhost", "http://PROXY"),
    ] {
        assert_eq!(proxy.url(before), after.replace("PROXY", &through.to_string()));
    }
}
