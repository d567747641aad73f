//! A site: a schema of its own, and what all of its nodes are told.

use std::path::Path;

use countersign_testbed::{Cluster, Schema};

use crate::program::{Ended, Operator, Service};

pub const PASSWORD: &str = "correct horse battery";

pub struct Site {
    pub schema: Schema,
    url: String,
    pub operator: Operator,
}

impl Site {
    pub fn new() -> Self {
        let schema = Cluster::shared().schema();
        Self { url: schema.url(), schema, operator: Operator::new() }
    }

    pub fn variables(&self) -> Vec<(&str, &str)> {
        vec![
            ("COUNTERSIGN_DATABASE_URL", &self.url),
            ("COUNTERSIGN_SECRET_KEY", "a-key-that-all-nodes-have-2b7e151628aed2a6"),
            ("COUNTERSIGN_PUBLIC_URL", "http://localhost:8000"),
            ("COUNTERSIGN_RATE_LIMIT", "off"),
        ]
    }

    /// One more node.
    pub fn node(&self) -> Service {
        self.node_with(&[])
    }

    pub fn node_with(&self, variables: &[(&str, &str)]) -> Service {
        self.operator.serve_with(&[], &[&self.variables(), variables].concat())
    }

    pub fn run(&self, arguments: &[&str], input: &str) -> Ended {
        self.operator.run_with(arguments, &self.variables(), input)
    }

    /// Runs a command that must be done.
    #[track_caller]
    pub fn does(&self, arguments: &[&str], input: &str) -> Ended {
        let ended = self.run(arguments, input);
        assert_eq!(ended.code, 0, "{arguments:?}: {ended:?}");
        ended
    }

    /// Files are for databases in files.
    #[track_caller]
    pub fn left_nothing_behind(&self) {
        let left: Vec<_> = std::fs::read_dir(self.operator.path("")).unwrap().collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

/// Whether a test that needs this can run: where not, it says so loudly, and the test returns.
pub fn found_or_skip(found: Option<&Path>, name: &str, package: &str) -> bool {
    if found.is_none() {
        eprintln!("\n*** SKIPPED, NOTHING WAS TESTED: there is no {name}: apt-get install {package} ***\n");
    }
    found.is_some()
}
