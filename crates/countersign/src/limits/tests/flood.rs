//! What made-up names cost, however many there are.

use super::*;

/// Wrong passwords for so many names at as many addresses, written as fast as the store takes them.
async fn flood(service: &TestService, names: std::ops::Range<u32>) {
    const TOGETHER: usize = 20_000;
    let mut names = names.peekable();
    while names.peek().is_some() {
        let together: Vec<Budgets> = names
            .by_ref()
            .take(TOGETHER)
            .map(|number| {
                let from = IpAddr::from(std::net::Ipv4Addr::from(number));
                Budgets::of_guess(service, &format!("made-up-{number}"), Some(from), Place::Unknown)
            })
            .collect();
        let steps = service.store().write((together, service.now()), |tx, (together, now)| {
            Box::pin(async move {
                for budgets in together {
                    budgets.spend(tx, *now).await?;
                }
                Ok(())
            })
        });
        steps.await.unwrap();
        // One look for each `TRIM_AFTER` new rows is what `note` has; these need fewer.
        while rows(service).await > i64::from(MOST_ROWS) {
            trim(service).await.unwrap();
        }
    }
}

pub(super) async fn rows(service: &Countersign) -> i64 {
    counted(service, "SELECT count(*) FROM rate_limits").await
}

/// So many names, or as many as `COUNTERSIGN_MADE_UP_NAMES` says.
fn made_up_names(usual: u32) -> u32 {
    std::env::var("COUNTERSIGN_MADE_UP_NAMES").map_or(usual, |asked| asked.parse().unwrap())
}

// SEC-24: and nobody gets a counter forgotten by making up names.
#[tokio::test]
async fn made_up_names_cost_a_fixed_number_of_rows_and_push_out_nobody_who_has_used_more() {
    let service = service_with(3).await;
    assert_eq!(told(&service, "ada", home()).await, 3);
    flood(&service, 0..made_up_names(60_000)).await;
    assert_eq!(rows(&service).await, i64::from(MOST_ROWS));
    assert_eq!(told(&service, "ada", home()).await, 0, "ada's counter is still there");
    service.advance(QUARTER);
    while sweep(&service, 50_000).await.unwrap() > 0 {}
    assert_eq!(rows(&service).await, 0);
}

// SEC-24
#[tokio::test]
async fn a_node_trims_the_table_after_so_many_new_rows() {
    let service = service_with(3).await;
    let looks = (0..3 * TRIM_AFTER).filter(|_| service.new_limit_rows(1, TRIM_AFTER)).count();
    assert_eq!(looks, 3);
    flood(&service, 0..100).await;
    service.advance(QUARTER);
    Spent { new_rows: TRIM_AFTER, used_up: false }.note(&service, About::default()).await;
    assert_eq!(rows(&service).await, 0, "what was over is gone");
}
