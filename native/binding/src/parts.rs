//! What Python's plain values stand for.

use std::net::IpAddr;

use dns_node_core::kept_reply::Key;
use dns_node_core::pages::{Damage, Row};
use dns_node_core::rate::Mode;
use dns_node_core::serve::StreamEnd;
use dns_node_core::{Client, Networks};
use pyo3::exceptions::PyValueError;
use pyo3::import_exception;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

import_exception!(dns_node.errors, StoreError);

/// A key as Python writes it: name in lower case, type, class, DO, CD.
pub type KeyParts<'a> = (&'a [u8], u16, u16, bool, bool);

/// The key.
pub fn native_key<'a>(parts: &KeyParts<'a>) -> Key<'a> {
    let &(qname, qtype, qclass, is_do, is_cd) = parts;
    Key { qname, qtype, qclass, is_do, is_cd }
}

/// A reply of the message cache: its key, the message, when it was put, and for how long.
pub type RowParts<'py> =
    ((Bound<'py, PyBytes>, u16, u16, bool, bool), Bound<'py, PyBytes>, f64, u32);

/// The same from what the cache says.
pub fn row_parts<'py>(
    python: Python<'py>,
    (key, message, stored_s, ttl_s): (Key<'_>, &[u8], f64, u32),
) -> RowParts<'py> {
    let qname = PyBytes::new(python, key.qname);
    let key = (qname, key.qtype, key.qclass, key.is_do, key.is_cd);
    (key, PyBytes::new(python, message), stored_s, ttl_s)
}

/// The key that `turn::Kept` wrote.
pub fn due_key(due: &[u8]) -> Option<Key<'_>> {
    let (qname, [a, b, c, d, flags]) = due.split_last_chunk()?;
    Some(Key {
        qname,
        qtype: u16::from_be_bytes([*a, *b]),
        qclass: u16::from_be_bytes([*c, *d]),
        is_do: flags & 1 != 0,
        is_cd: flags & 2 != 0,
    })
}

/// The client at an address as a socket writes it, perhaps with the interface behind `%`.
pub fn client(address: &str, port: u16, is_tcp: bool) -> PyResult<Client> {
    let text = address.split('%').next().unwrap_or_default();
    let address: IpAddr = text.parse().map_err(|_| PyValueError::new_err("not an address"))?;
    Ok(Client { address, port, is_tcp })
}

/// The list that *texts* write.
pub fn networks(texts: &[String]) -> PyResult<Networks> {
    Networks::parse(texts.iter().map(String::as_str))
        .ok_or_else(|| PyValueError::new_err("not a list of networks"))
}

/// A row, when there is one.
pub type Found<'py> = Option<(Bound<'py, PyBytes>, Bound<'py, PyBytes>)>;

/// The error of a store that can't be read.
pub fn damaged(damage: Damage) -> PyErr {
    StoreError::new_err(format!("the store is damaged: {damage}."))
}

/// A row as Python has it.
pub fn found<'py>(
    python: Python<'py>,
    row: Result<Option<Row<'_>>, Damage>,
) -> PyResult<Found<'py>> {
    let row = row.map_err(damaged)?;
    Ok(row.map(|row| (PyBytes::new(python, row.key), PyBytes::new(python, row.value))))
}

/// The mode of limits.
pub fn limit_mode(text: &str) -> PyResult<Mode> {
    match text {
        "on" => Ok(Mode::On),
        "log" => Ok(Mode::Log),
        "off" => Ok(Mode::Off),
        _ => Err(PyValueError::new_err("not a mode of limits")),
    }
}

/// What the end of a turn is called.
pub fn end_name(end: StreamEnd) -> &'static str {
    match end {
        StreamEnd::Empty => "empty",
        StreamEnd::Share => "share",
        StreamEnd::Punt => "punt",
        StreamEnd::Drop => "drop",
    }
}
