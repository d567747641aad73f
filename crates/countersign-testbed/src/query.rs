//! Statements to a server over a connection of their own, from any thread.

use tokio_postgres::{Config, NoTls, SimpleQueryMessage};

use crate::wait::LIMIT;

/// Rows of a query, each value as PostgreSQL writes it; `None` is NULL.
pub type Rows = Vec<Vec<Option<String>>>;

/// Runs the statements, which stand in one transaction unless they say otherwise, and gives the rows of all of them.
///
/// The connection has a thread and a runtime of its own: a caller inside a runtime could not start one.
pub(crate) fn ask(server: &Config, sql: &str) -> Result<Rows, String> {
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            let answer = runtime.block_on(async { tokio::time::timeout(LIMIT, converse(server, sql)).await });
            answer.unwrap_or_else(|_| Err(format!("no answer after {LIMIT:?}: {sql}")))
        });
        asking.join().expect("the thread of a query")
    })
}

async fn converse(server: &Config, sql: &str) -> Result<Rows, String> {
    let refused = |error: tokio_postgres::Error| match error.as_db_error() {
        Some(refusal) => format!("{refusal} (SQLSTATE {})", refusal.code().code()),
        None => format!("{error:?}"),
    };
    let (client, connection) = server.connect(NoTls).await.map_err(refused)?;
    let connection = tokio::spawn(connection);
    let messages = client.simple_query(sql).await.map_err(refused)?;
    drop(client);
    // The server has heard the farewell when this ends: its backend holds nothing that the next statement waits for.
    let _ = connection.await;
    let rows = messages.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => {
            Some((0..row.len()).map(|at| row.get(at).map(str::to_owned)).collect())
        }
        _ => None,
    });
    Ok(rows.collect())
}
