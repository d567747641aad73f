//! What is copied: every table with its columns, in an order in which each row finds those that it refers to.
//!
//! The list is written down instead of being read from the databases' catalogues, because a catalogue can't tell what
//! belongs to us: an application that embeds the service may keep tables of its own beside ours. Nor can it tell which
//! table means something in its own database alone. A test holds the list against both schemas, so that a table or a
//! column that is forgotten here fails it.

/// One table.
#[derive(Debug)]
pub(in crate::store) struct Table {
    pub(in crate::store) name: &'static str,
    /// So many of the columns, from the first on, are the primary key.
    pub(in crate::store) key: usize,
    pub(in crate::store) columns: &'static [Column],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) struct Column {
    pub(in crate::store) name: &'static str,
    pub(in crate::store) kind: Kind,
}

/// What a column holds, if it isn't null: the three kinds that both databases have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum Kind {
    /// `INTEGER`, `BIGINT`.
    Int,
    /// `TEXT`.
    Text,
    /// `BLOB`, `BYTEA`.
    Blob,
}

impl Kind {
    /// For the operator who is told of a value that doesn't belong.
    pub(in crate::store) fn name(self) -> &'static str {
        match self {
            Self::Int => "a number",
            Self::Text => "text",
            Self::Blob => "bytes",
        }
    }
}

impl Table {
    /// The columns of the primary key.
    pub(in crate::store) fn key_columns(&self) -> &'static [Column] {
        self.columns.get(..self.key).unwrap_or_default()
    }
}

const fn int(name: &'static str) -> Column {
    Column { name, kind: Kind::Int }
}

const fn text(name: &'static str) -> Column {
    Column { name, kind: Kind::Text }
}

const fn blob(name: &'static str) -> Column {
    Column { name, kind: Kind::Blob }
}

/// A new table stands below those that it refers to, its primary key first.
pub(in crate::store) const TABLES: &[Table] = &[
    Table {
        name: "users",
        key: 1,
        columns: &[
            int("id"),
            text("username"),
            text("username_key"),
            text("email"),
            text("email_key"),
            int("email_verified_at"),
            text("password_hash"),
            int("epoch"),
            int("tokens_after"),
            int("created_at"),
            int("last_sign_in_at"),
            int("disabled_at"),
            int("deleted_at"),
            int("password_changes"),
        ],
    },
    Table {
        name: "sign_ins",
        key: 1,
        columns: &[
            int("id"),
            int("user_id"),
            int("epoch"),
            int("generation"),
            blob("current_hash"),
            blob("successor_salt"),
            blob("retry_key_hash"),
            text("spendings"),
            text("transport"),
            int("created_at"),
            int("last_used_at"),
            int("expires_at"),
            int("ends_at"),
            int("ended_at"),
            text("ended_why"),
            int("sweep_day"),
            text("user_agent"),
            text("address"),
        ],
    },
    Table { name: "rate_limits", key: 1, columns: &[int("key"), int("used"), int("ends_at")] },
    Table {
        name: "audit_events",
        key: 1,
        columns: &[
            int("id"),
            int("at"),
            text("event"),
            text("outcome"),
            int("times"),
            text("request_id"),
            int("user_id"),
            int("sign_in_id"),
            text("address"),
            text("detail"),
        ],
    },
    Table {
        name: "one_time_tokens",
        key: 2,
        columns: &[
            int("user_id"),
            text("purpose"),
            blob("token_hash"),
            text("email"),
            text("email_key"),
            int("epoch"),
            int("created_at"),
            int("expires_at"),
        ],
    },
    Table {
        name: "mails",
        key: 1,
        columns: &[
            int("id"),
            int("user_id"),
            text("kind"),
            text("language"),
            text("recipient"),
            text("words"),
            blob("seed"),
            int("created_at"),
            int("expires_at"),
            int("due_at"),
            int("attempts"),
            int("failed_at"),
            text("last_error"),
        ],
    },
    Table {
        name: "password_reset_requests",
        key: 1,
        columns: &[text("email_key"), text("language"), int("requested_at")],
    },
    Table {
        name: "identities",
        key: 1,
        columns: &[
            int("id"),
            int("user_id"),
            text("provider"),
            text("issuer"),
            text("subject"),
            text("email"),
            int("created_at"),
            int("last_used_at"),
        ],
    },
];

/// What stays where it is, and why.
#[cfg(test)]
pub(in crate::store) const NOT_COPIED: &[(&str, &str)] = &[
    ("schema_migrations", "each database has a history of its own"),
    ("changes", "they name what running nodes must look up again in this database"),
    ("server_life", "it tells the lives of one server apart"),
    ("oauth_attempts", "whoever is at a provider when the service moves begins anew, which takes a click"),
    ("leases", "they say which program does a job in this database, and none does any in the other yet"),
];
