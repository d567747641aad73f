//! A row on its way, and the sum that both sides must agree on.

use sha2::{Digest as _, Sha256};

use super::tables::{Column, Table};
use super::{Refusal, failed};
use crate::store::Value;

/// One value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::store) enum Cell {
    Null,
    Int(i64),
    Text(String),
    Blob(Vec<u8>),
}

/// The values of a row, in the order of the table's columns.
pub(in crate::store) type Record = Vec<Cell>;

impl<'c> From<&'c Cell> for Value<'c> {
    fn from(cell: &'c Cell) -> Self {
        match cell {
            Cell::Null => Self::Null,
            Cell::Int(number) => Self::Int(*number),
            Cell::Text(text) => Self::Text(text),
            Cell::Blob(bytes) => Self::Blob(bytes),
        }
    }
}

/// The primary key of a row.
pub(in crate::store) fn key_of<'r>(table: &Table, record: &'r [Cell]) -> &'r [Cell] {
    record.get(..table.key).unwrap_or_default()
}

/// Names a row for the operator. Keys are numbers or words that are no secret.
pub(in crate::store) fn locate(table: &Table, record: &[Cell]) -> String {
    let columns = table.key_columns().iter().zip(record);
    let key: Vec<String> = columns.map(|(column, cell)| format!("{} {}", column.name, shown(cell))).collect();
    format!("the row with {} of the table {}", key.join(", "), table.name)
}

fn shown(cell: &Cell) -> String {
    match cell {
        Cell::Null => "NULL".to_owned(),
        Cell::Int(number) => number.to_string(),
        Cell::Text(text) => format!("{text:?}"),
        Cell::Blob(bytes) => hex(bytes),
    }
}

/// A value that doesn't belong where it stands. `record` is what was read of the row so far.
pub(in crate::store) fn misplaced(table: &Table, record: &[Cell], column: &Column, what: &str) -> Refusal {
    let place = if record.len() < table.key {
        format!("a row of the table {}", table.name)
    } else {
        locate(table, record)
    };
    failed(format!(
        "{place} has {what} in the column {}, where {} belongs: mend the row and copy again",
        column.name,
        column.kind.name()
    ))
}

pub(in crate::store) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What a table holds, whatever order it is read in: two databases need not sort text alike. It is the sum, modulo 2^256,
/// of the SHA-256 of each row. That finds faults of disks, programs and people; a forger who can write to the database
/// need not bother with it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::store) struct Tally {
    pub(in crate::store) rows: u64,
    sum: [u64; 4],
}

impl Tally {
    pub(in crate::store) fn add(&mut self, page: &[Record]) {
        let mut bytes = Vec::new();
        for record in page {
            bytes.clear();
            record.iter().for_each(|cell| spell(cell, &mut bytes));
            self.add_number(&Sha256::digest(&bytes));
            self.rows = self.rows.saturating_add(1);
        }
    }

    fn add_number(&mut self, number: &[u8]) {
        let mut carry = 0;
        for (limb, eight) in self.sum.iter_mut().zip(number.chunks_exact(8)) {
            let term = u64::from_le_bytes(eight.try_into().unwrap_or_default());
            let (half, over) = limb.overflowing_add(term);
            let (whole, over_again) = half.overflowing_add(carry);
            (*limb, carry) = (whole, u64::from(over || over_again));
        }
    }

    pub(in crate::store) fn checksum(&self) -> String {
        self.sum.iter().map(|limb| hex(&limb.to_le_bytes())).collect()
    }
}

/// No two rows are spelt alike: each value says its kind and its length first.
fn spell(cell: &Cell, bytes: &mut Vec<u8>) {
    let (kind, content): (u8, &[u8]) = match cell {
        Cell::Null => (0, &[]),
        Cell::Int(number) => (1, &number.to_le_bytes()),
        Cell::Text(text) => (2, text.as_bytes()),
        Cell::Blob(blob) => (3, blob),
    };
    bytes.push(kind);
    bytes.extend_from_slice(&(content.len() as u64).to_le_bytes());
    bytes.extend_from_slice(content);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(rows: &[Record]) -> Tally {
        let mut tally = Tally::default();
        tally.add(rows);
        tally
    }

    #[test]
    fn the_order_does_not_matter_and_everything_else_does() {
        let [one, two] = [vec![Cell::Int(1), Cell::Text("a".into())], vec![Cell::Int(2), Cell::Null]];
        let both = tally(&[one.clone(), two.clone()]);
        assert_eq!(both, tally(&[two.clone(), one.clone()]));
        let others: [&[Record]; 6] = [
            std::slice::from_ref(&one),
            &[one.clone(), two.clone(), two.clone()],
            &[one.clone(), vec![Cell::Int(2), Cell::Text(String::new())]],
            &[one.clone(), vec![Cell::Null, Cell::Int(2)]],
            &[vec![Cell::Int(1), Cell::Blob(b"a".to_vec())], two.clone()],
            &[vec![Cell::Int(1), Cell::Text("b".into())], two],
        ];
        for other in others {
            assert_ne!(both.checksum(), tally(other).checksum(), "{other:?}");
        }
    }

    #[test]
    fn a_carry_goes_on_to_the_next_limb_and_is_lost_at_the_end() {
        let mut tally = Tally { rows: 0, sum: [u64::MAX, u64::MAX, u64::MAX, u64::MAX] };
        let mut one = [0; 32];
        one[0] = 1;
        tally.add_number(&one);
        assert_eq!(tally.sum, [0; 4]);
        tally.sum = [u64::MAX, 0, 0, 0];
        tally.add_number(&one);
        assert_eq!(tally.sum, [0, 1, 0, 0]);
    }
}
