//! The faulty network does to a plain echo what each of its modes says.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use countersign_testbed::{Direction, Proxy, When};

/// Says everything that it hears once more, on as many connections as come.
fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let mut client = client.unwrap();
            std::thread::spawn(move || {
                let mut other = client.try_clone().unwrap();
                let _ = std::io::copy(&mut client, &mut other);
            });
        }
    });
    address
}

fn connect(proxy: &Proxy) -> TcpStream {
    let stream = TcpStream::connect(proxy.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream
}

fn ask(stream: &mut TcpStream, text: &str) -> std::io::Result<String> {
    stream.write_all(text.as_bytes())?;
    let mut heard = vec![0; text.len()];
    stream.read_exact(&mut heard)?;
    Ok(String::from_utf8(heard).unwrap())
}

fn is_reset(stream: &mut TcpStream, text: &str) -> bool {
    ask(stream, text).is_err_and(|error| error.kind() == ErrorKind::ConnectionReset)
}

#[test]
fn it_passes_delays_swallows_and_cuts() {
    let proxy = Proxy::start(echo());
    let mut stream = connect(&proxy);
    assert_eq!(ask(&mut stream, "hello").unwrap(), "hello");
    assert_eq!(proxy.connections(), 1);
    let delay = Duration::from_millis(60);
    proxy.delay(delay);
    let begun = Instant::now();
    assert_eq!(ask(&mut stream, "slowly").unwrap(), "slowly");
    assert!(begun.elapsed() >= delay * 2, "there and back");
    proxy.black_hole();
    stream.write_all(b"anybody?").unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    assert!(stream.read(&mut [0; 8]).is_err(), "nothing comes through");
    proxy.pass();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut heard = [0; 8];
    stream.read_exact(&mut heard).unwrap();
    assert_eq!(&heard, b"anybody?");
    proxy.cut();
    assert!(is_reset(&mut stream, "still there?"));
}

#[test]
fn it_refuses_and_listens_again_on_the_same_port_before_another_server() {
    let proxy = Proxy::start(echo());
    proxy.refuse();
    let begun = Instant::now();
    while TcpStream::connect(proxy.address()).is_ok() {
        assert!(begun.elapsed() < Duration::from_secs(10), "it goes on listening");
    }
    proxy.retarget(echo());
    proxy.pass();
    let mut stream = loop {
        if let Ok(stream) = TcpStream::connect(proxy.address()) {
            break stream;
        }
        assert!(begun.elapsed() < Duration::from_secs(10), "it listens no more");
    };
    assert_eq!(ask(&mut stream, "hello").unwrap(), "hello");
}

#[test]
fn a_trap_is_sprung_once_and_by_its_bytes_alone() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = Proxy::start(server.local_addr().unwrap());
    for (when, arrives) in [(When::BeforeForwarding, false), (When::AfterForwarding, true)] {
        proxy.cut_when(Direction::ToServer, b"COMMIT", when);
        let mut client = connect(&proxy);
        let (mut serving, _) = server.accept().unwrap();
        client.write_all(b"BEGIN").unwrap();
        let mut heard = [0; 5];
        serving.read_exact(&mut heard).unwrap();
        client.write_all(b"COMMIT").unwrap();
        let mut commit = [0; 6];
        assert_eq!(serving.read_exact(&mut commit).is_ok(), arrives, "{when:?}");
        let _ = serving.write_all(b"done");
        assert!(client.read_exact(&mut [0; 4]).is_err(), "the answer is lost");
    }
    assert_eq!(proxy.times_sprung(), 2);
    let mut client = connect(&proxy);
    let (mut serving, _) = server.accept().unwrap();
    client.write_all(b"COMMIT").unwrap();
    serving.read_exact(&mut [0; 6]).unwrap();
    assert_eq!(proxy.times_sprung(), 2, "once");
}
