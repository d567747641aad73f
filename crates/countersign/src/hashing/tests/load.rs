//! The lanes under load: who is refused, who is dropped, what is kept.

use std::net::Ipv6Addr;
use std::sync::mpsc;

use super::*;

const ELSEWHERE: Option<IpAddr> = Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2)));

/// A job that occupies a lane until it is told to go on.
struct Blocker {
    release: mpsc::Sender<()>,
    done: tokio::task::JoinHandle<Result<()>>,
}

impl Blocker {
    async fn on(lanes: &HashLanes) -> Self {
        let (release, released) = mpsc::channel::<()>();
        let (begun, has_begun) = oneshot::channel();
        let handle = lanes.clone();
        let done = tokio::spawn(async move {
            let task = move |_: &mut Bench| {
                let _ = begun.send(());
                let _ = released.recv();
                Ok(())
            };
            handle.ask(CHEAP.work(), None, task).await
        });
        has_begun.await.unwrap();
        Self { release, done }
    }

    async fn let_go(self) {
        drop(self.release);
        self.done.await.unwrap().unwrap();
    }
}

/// A job that waits in the queue, without anybody polling it further.
async fn queued(lanes: &HashLanes, work: u64, from: Option<IpAddr>) -> tokio::task::JoinHandle<Result<()>> {
    let (handle, before) = (lanes.clone(), (lanes.queue_depth(), lanes.counts()));
    let waiting = tokio::spawn(async move { handle.ask(work, from, |_| Ok(())).await });
    while (lanes.queue_depth(), lanes.counts()) == before {
        tokio::task::yield_now().await;
    }
    waiting
}

fn is_overloaded<T>(result: &Result<T>) -> bool {
    matches!(result, Err(Error::Overloaded { retry_after }) if *retry_after >= Duration::from_secs(1))
}

// SEC-9
#[tokio::test]
async fn what_would_wait_too_long_is_refused_at_once() {
    let lanes = lanes_with(|config| config.max_wait = Duration::from_millis(100));
    lanes.0.queue.pace.learn(1_000, Duration::from_millis(10));
    let blocker = Blocker::on(&lanes).await;
    let mut waiting = Vec::new();
    for _ in 0..10 {
        waiting.push(queued(&lanes, 1_000, None).await);
    }
    assert_eq!(lanes.queue_depth(), 10, "100 ms of work wait, and what runs");
    assert!(lanes.estimated_wait() >= Duration::from_millis(100));
    assert!(is_overloaded(&lanes.verify(typed("x"), None, HERE).await));
    assert!(is_overloaded(&lanes.hash(typed("x").unwrap(), HERE).await));
    assert_eq!(lanes.counts().refused, 2);
    blocker.let_go().await;
    for job in waiting {
        job.await.unwrap().unwrap();
    }
    assert!(lanes.verify(typed("x"), None, HERE).await.is_ok(), "and taken in again afterwards");
}

#[tokio::test]
async fn a_foreign_hash_weighs_what_it_costs() {
    let lanes = lanes_with(|config| config.max_wait = Duration::from_millis(100));
    lanes.0.queue.pace.learn(1_000, Duration::from_millis(10));
    let blocker = Blocker::on(&lanes).await;
    let waiting = queued(&lanes, 15_000, None).await;
    assert!(is_overloaded(&lanes.hash(typed("x").unwrap(), HERE).await), "one such import is 150 ms of work");
    blocker.let_go().await;
    waiting.await.unwrap().unwrap();
}

// SEC-9
#[tokio::test]
async fn one_address_holds_at_most_half_of_the_queue() {
    let lanes = lanes_with(|config| config.max_wait = Duration::from_millis(100));
    lanes.0.queue.pace.learn(1_000, Duration::from_millis(10));
    let blocker = Blocker::on(&lanes).await;
    let mut waiting = Vec::new();
    for _ in 0..5 {
        waiting.push(queued(&lanes, 1_000, HERE).await);
    }
    assert!(is_overloaded(&lanes.ask(1_000, HERE, |_| Ok(())).await), "the sixth of one address");
    waiting.push(queued(&lanes, 1_000, ELSEWHERE).await);
    waiting.push(queued(&lanes, 1_000, None).await);
    assert_eq!(lanes.queue_depth(), 7);
    blocker.let_go().await;
    for job in waiting {
        job.await.unwrap().unwrap();
    }
}

// SEC-22
#[tokio::test]
async fn an_ipv6_network_is_one_client() {
    let lanes = lanes_with(|config| config.max_wait = Duration::from_millis(100));
    lanes.0.queue.pace.learn(1_000, Duration::from_millis(10));
    let blocker = Blocker::on(&lanes).await;
    let address = |network, host| Some(IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, network, 0, 0, 0, host)));
    let mut waiting = Vec::new();
    for host in 0..5 {
        waiting.push(queued(&lanes, 1_000, address(1, host)).await);
    }
    assert!(is_overloaded(&lanes.ask(1_000, address(1, 99), |_| Ok(())).await));
    waiting.push(queued(&lanes, 1_000, address(2, 0)).await);
    blocker.let_go().await;
    for job in waiting {
        job.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn jobs_whose_callers_went_away_never_start() {
    let lanes = lanes();
    let blocker = Blocker::on(&lanes).await;
    let mut waiting = Vec::new();
    for _ in 0..20 {
        waiting.push(queued(&lanes, 1, HERE).await);
    }
    let last = waiting.pop().unwrap();
    for job in waiting {
        job.abort();
        assert!(job.await.unwrap_err().is_cancelled());
    }
    blocker.let_go().await;
    last.await.unwrap().unwrap();
    assert_eq!(lanes.counts(), Counts { started: 2, refused: 0, abandoned: 19 });
}

#[tokio::test]
async fn those_who_left_do_not_keep_out_those_who_come() {
    let lanes = lanes_with(|config| config.max_wait = Duration::from_millis(100));
    lanes.0.queue.pace.learn(1_000, Duration::from_millis(10));
    let blocker = Blocker::on(&lanes).await;
    let gone = queued(&lanes, 50_000, HERE).await;
    gone.abort();
    assert!(gone.await.unwrap_err().is_cancelled());
    let came = queued(&lanes, 1_000, HERE).await;
    assert_eq!((lanes.queue_depth(), lanes.counts().abandoned, lanes.counts().refused), (1, 1, 0));
    blocker.let_go().await;
    came.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_running_hash_keeps_its_permit_when_its_caller_leaves() {
    let lanes = lanes_with(|config| config.max_wait = Duration::from_nanos(1));
    let blocker = Blocker::on(&lanes).await;
    blocker.done.abort();
    assert!(blocker.done.await.unwrap_err().is_cancelled());
    assert!(is_overloaded(&lanes.hash(typed("x").unwrap(), HERE).await), "the lane is still busy");
    drop(blocker.release);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_storm_from_many_threads_leaves_balanced_books() {
    let lanes = lanes_with(|config| {
        config.lanes = 2;
        config.max_wait = Duration::from_millis(2);
    });
    let storm: Vec<_> = (0..400_u16)
        .map(|number| {
            let (lanes, from) = (lanes.clone(), Some(IpAddr::from([10, 0, 0, number.to_le_bytes()[0] % 7])));
            let job = tokio::spawn(async move { lanes.verify(typed("x"), None, from).await });
            if number % 5 == 0 {
                job.abort();
            }
            job
        })
        .collect();
    let (mut answered, mut refused) = (0, 0);
    for job in storm {
        match job.await {
            Ok(Ok(verdict)) => {
                assert_eq!(verdict, Verdict::Wrong);
                answered += 1;
            }
            Ok(result) => {
                assert!(is_overloaded(&result), "{result:?}");
                refused += 1;
            }
            Err(left) => assert!(left.is_cancelled()),
        }
    }
    let counts = lanes.counts();
    assert!(counts.started >= answered && counts.refused >= refused && answered > 0, "{counts:?}");
    while lanes.0.queue.books() != (0, 0, 0) {
        tokio::task::yield_now().await;
    }
    assert_eq!(lanes.queue_depth(), 0);
}

#[tokio::test]
async fn a_panic_costs_its_job_and_not_the_lane() {
    let lanes = lanes();
    let answer = lanes.ask(1, None, |_| -> Result<()> { panic!("on purpose") }).await;
    assert!(matches!(answer, Err(Error::Fault(_))));
    let hash = lanes.hash(typed("correct horse").unwrap(), HERE).await.unwrap();
    let verdict = lanes.verify(typed("correct horse"), Some(hash), HERE).await.unwrap();
    assert_eq!(verdict, Verdict::Right { upgrade: false });
}

#[tokio::test]
async fn memory_comes_with_the_first_hash_and_goes_when_the_lane_rests() {
    let keeping = lanes();
    assert_eq!(keeping.memory_kib(), 0);
    keeping.verify(typed("x"), None, HERE).await.unwrap();
    assert_eq!(keeping.memory_kib(), 64);

    let giving = lanes_with(|config| config.give_back_after = Duration::from_millis(1));
    giving.verify(typed("x"), None, HERE).await.unwrap();
    while giving.memory_kib() > 0 {
        tokio::task::yield_now().await;
    }
    assert!(giving.verify(typed("x"), None, HERE).await.is_ok(), "and comes back");
}

#[tokio::test]
async fn measuring_gives_a_rate_and_its_memory_back() {
    let lanes = lanes();
    let guess = lanes.rate();
    let rate = lanes.measure().await.unwrap();
    assert!(rate.is_finite() && rate > 0.0 && (rate - guess).abs() > f64::EPSILON);
    assert_eq!(lanes.memory_kib(), 0);
}

#[tokio::test]
async fn two_lanes_work_at_the_same_time() {
    let lanes = lanes_with(|config| config.lanes = 2);
    let first = Blocker::on(&lanes).await;
    let second = Blocker::on(&lanes).await;
    assert_eq!(lanes.counts().started, 2);
    first.let_go().await;
    second.let_go().await;
}

#[tokio::test]
async fn shutting_down_answers_what_waits_and_takes_nothing_in() {
    let lanes = lanes();
    let blocker = Blocker::on(&lanes).await;
    let waiting = queued(&lanes, 1, HERE).await;
    lanes.0.queue.close();
    assert!(matches!(waiting.await.unwrap(), Err(Error::Unavailable(_))));
    blocker.let_go().await;
    lanes.shut_down();
    assert!(matches!(lanes.hash(typed("x").unwrap(), HERE).await, Err(Error::Unavailable(_))));
    assert_eq!(lanes.memory_kib(), 0);
}

#[tokio::test]
async fn dropping_the_last_handle_ends_the_threads() {
    let lanes = lanes();
    let clone = lanes.clone();
    let threads = std::mem::take(&mut *lanes.0.threads.lock().unwrap());
    drop(lanes);
    assert!(clone.verify(typed("x"), None, HERE).await.is_ok(), "a clone keeps them");
    drop(clone);
    for thread in threads {
        thread.join().unwrap();
    }
}

#[test]
fn parameters_out_of_bounds_do_not_start() {
    let params = Params { memory_kib: 300 * 1024, iterations: 1, parallelism: 1 };
    assert!(HashLanes::start(LaneConfig { params, ..LaneConfig::default() }).is_err());
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn lanes_stand_below_the_threads_of_http() {
    use rustix::process::{getpriority_process, setpriority_process};
    let nice_of = async |lanes: HashLanes| {
        lanes.ask(1, None, |_| Ok(getpriority_process(None).unwrap())).await.unwrap()
    };
    let ours = getpriority_process(None).unwrap();
    assert_eq!(nice_of(lanes()).await, (ours + 10).min(19));
    // However low the service itself stands.
    let lower = (ours + 7).min(19);
    let started = std::thread::spawn(move || setpriority_process(None, lower).map(|()| lanes()));
    assert_eq!(nice_of(started.join().unwrap().unwrap()).await, (lower + 10).min(19));
}
