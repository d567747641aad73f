//! The load generator: many clients, each asking again as soon as it was answered. The same for subject and ceiling.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Barrier;
use tokio::time::{Instant, sleep_until, timeout};

use crate::Outcome;
use crate::histogram::Histogram;
use crate::wire::{Answer, Wire};

/// How long after the end an answer may still come: far more than any queue's deadline.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a client thinks of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// What was asked was done.
    Served,
    /// The server said in order that it has too much to do.
    Refused,
    /// Anything else: the run fails.
    Unexpected,
}

/// What one client asks, again and again.
pub(crate) trait Script: Send + 'static {
    /// The bytes of the next request.
    fn request(&self) -> &[u8];

    /// Looks at the answer, and prepares the next request where it depends on it.
    fn judge(&mut self, answer: &Answer<'_>) -> Verdict;

    /// The address that this client comes from.
    fn address(&self) -> IpAddr {
        Ipv4Addr::LOCALHOST.into()
    }
}

/// How a load is put on a server.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    /// The server.
    pub(crate) to: SocketAddr,
    /// Another one, which every second client asks instead.
    pub(crate) also: Option<SocketAddr>,
    /// How long new requests are begun; those under way are waited for.
    pub(crate) lasts: Duration,
    /// Threads of the generator.
    pub(crate) threads: usize,
    /// One request in each interval instead of one after another.
    pub(crate) pace: Option<Duration>,
}

/// What came of a load.
#[derive(Debug)]
pub(crate) struct Taken<S> {
    /// The clients, as their last answers left them.
    pub(crate) scripts: Vec<S>,
    /// Latencies of what was served.
    pub(crate) served: Histogram,
    /// Latencies of refusals.
    pub(crate) refused: Histogram,
    /// From the first request to the last answer.
    pub(crate) lasted: Duration,
}

impl<S> Taken<S> {
    /// What came of a load that somebody else put on.
    pub(crate) fn nothing(scripts: Vec<S>) -> Self {
        let (served, refused) = Default::default();
        Self { scripts, served, refused, lasted: Duration::ZERO }
    }

    /// Requests served in a second.
    pub(crate) fn rate(&self) -> f64 {
        self.served.count() as f64 / self.lasted.as_secs_f64()
    }
}

struct Client<S> {
    script: S,
    served: Histogram,
    refused: Histogram,
    unexpected: u64,
    sample: Option<String>,
    finished: Instant,
}

impl Load {
    /// Two generator threads, each client in a closed loop.
    pub(crate) fn closed_loop(to: SocketAddr, lasts: Duration) -> Self {
        Self { to, also: None, lasts, threads: 2, pace: None }
    }

    /// Puts the load on, one connection for each script, all connected before the first asks.
    ///
    /// # Errors
    /// When a connection breaks, an answer is unexpected, or answers stay out for 30 seconds.
    pub(crate) fn put_on<S: Script>(self, scripts: Vec<S>) -> Outcome<Taken<S>> {
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.worker_threads(self.threads).enable_all().build()?;
        runtime.block_on(async {
            let ready = Arc::new(Barrier::new(scripts.len() + 1));
            let mut clients = Vec::with_capacity(scripts.len());
            let servers = [self.to, self.also.unwrap_or(self.to)].into_iter().cycle();
            for (script, server) in scripts.into_iter().zip(servers) {
                let wire = Wire::connect(server, script.address()).await?;
                clients.push(tokio::spawn(self.follow(script, wire, Arc::clone(&ready))));
            }
            ready.wait().await;
            let started = Instant::now();
            let mut taken = Gathered::default();
            for client in clients {
                taken.add(timeout(self.lasts + PATIENCE, client).await???);
            }
            taken.finish(started)
        })
    }

    async fn follow<S: Script>(self, script: S, mut wire: Wire, ready: Arc<Barrier>) -> Outcome<Client<S>> {
        ready.wait().await;
        let started = Instant::now();
        let (served, refused) = Default::default();
        let mut client = Client { script, served, refused, unexpected: 0, sample: None, finished: started };
        let mut due = started;
        loop {
            let asked = self.next_turn(&mut due).await;
            if asked.duration_since(started) >= self.lasts {
                return Ok(client);
            }
            let answer = wire.exchange(client.script.request()).await?;
            client.finished = Instant::now();
            let took = client.finished.duration_since(asked);
            match client.script.judge(&answer) {
                Verdict::Served => client.served.record(took),
                Verdict::Refused => client.refused.record(took),
                Verdict::Unexpected => {
                    client.unexpected += 1;
                    client.sample.get_or_insert_with(|| describe(&answer));
                }
            }
        }
    }

    /// When the next request counts as asked. A paced client that is late was kept waiting: its time began when the
    /// request was due, else one slow answer would hide all those that should have been asked meanwhile.
    async fn next_turn(self, due: &mut Instant) -> Instant {
        let now = Instant::now();
        let Some(pace) = self.pace else { return now };
        let turn = *due;
        *due += pace;
        if now > turn {
            return turn;
        }
        sleep_until(turn).await;
        Instant::now()
    }
}

fn describe(answer: &Answer<'_>) -> String {
    let body = String::from_utf8_lossy(answer.body);
    format!("{} {}", answer.status, body.chars().take(300).collect::<String>())
}

struct Gathered<S> {
    scripts: Vec<S>,
    served: Histogram,
    refused: Histogram,
    unexpected: u64,
    sample: Option<String>,
    finished: Option<Instant>,
}

impl<S> Default for Gathered<S> {
    fn default() -> Self {
        let (served, refused) = Default::default();
        Self { scripts: Vec::new(), served, refused, unexpected: 0, sample: None, finished: None }
    }
}

impl<S> Gathered<S> {
    fn add(&mut self, client: Client<S>) {
        self.scripts.push(client.script);
        self.served.merge(&client.served);
        self.refused.merge(&client.refused);
        self.unexpected += client.unexpected;
        self.sample = self.sample.take().or(client.sample);
        self.finished = self.finished.max(Some(client.finished));
    }

    fn finish(self, started: Instant) -> Outcome<Taken<S>> {
        let Self { scripts, served, refused, unexpected, sample, finished } = self;
        if unexpected > 0 {
            let all = unexpected + served.count() + refused.count();
            let sample = sample.unwrap_or_default();
            return Err(
                format!("{unexpected} of {all} answers were unexpected; one of them: {sample}").into()
            );
        }
        let lasted = finished.unwrap_or(started).duration_since(started);
        Ok(Taken { scripts, served, refused, lasted })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpListener;

    #[derive(Debug)]
    struct Hello;

    impl Script for Hello {
        fn request(&self) -> &[u8] {
            b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n"
        }

        fn judge(&mut self, answer: &Answer<'_>) -> Verdict {
            match answer.status {
                200 => Verdict::Served,
                503 => Verdict::Refused,
                _ => Verdict::Unexpected,
            }
        }
    }

    /// A server that gives each connection these answers in turn, the last one for ever.
    fn answering(answers: &'static [&'static str]) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                std::thread::spawn(move || {
                    let mut turn = 0;
                    while matches!(stream.read(&mut [0; 1024]), Ok(1..)) {
                        let answer = answers[turn.min(answers.len() - 1)];
                        let text = format!("HTTP/1.1 {answer}\r\ncontent-length: 2\r\n\r\nok");
                        stream.write_all(text.as_bytes()).unwrap();
                        turn += 1;
                    }
                });
            }
        });
        address
    }

    fn short(to: SocketAddr) -> Load {
        Load::closed_loop(to, Duration::from_millis(100))
    }

    #[test]
    fn served_and_refused_are_counted_apart() {
        let taken = short(answering(&["503 Busy", "200 OK"])).put_on(vec![Hello, Hello]).unwrap();
        assert_eq!((taken.refused.count(), taken.scripts.len()), (2, 2));
        assert!(taken.served.count() > 2);
        assert!(taken.rate() > 0.0);
    }

    #[test]
    fn two_servers_share_the_clients() {
        let (busy, idle) = (answering(&["503 Busy"]), answering(&["200 OK"]));
        let load = Load { also: Some(idle), ..short(busy) };
        let taken = load.put_on(vec![Hello, Hello]).unwrap();
        assert!(taken.refused.count() > 0 && taken.served.count() > 0);
        assert_eq!(Load { also: None, ..load }.put_on(vec![Hello, Hello]).unwrap().served.count(), 0);
    }

    #[test]
    fn an_unexpected_answer_fails_the_run_and_is_shown() {
        let refusal =
            short(answering(&["200 OK", "500 Oh", "200 OK"])).put_on(vec![Hello]).unwrap_err().to_string();
        assert!(refusal.starts_with("1 of ") && refusal.ends_with("500 ok"), "{refusal}");
    }

    #[test]
    fn a_paced_client_asks_no_more_than_its_turns() {
        let load = Load { pace: Some(Duration::from_millis(20)), ..short(answering(&["200 OK"])) };
        let asked = load.put_on(vec![Hello]).unwrap().served.count();
        assert!((1..=5).contains(&asked), "{asked} requests in 5 turns");
    }
}
