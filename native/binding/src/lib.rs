//! `dns_node._native`: the data path for Python.  `dns_node/_native.pyi` says what there is.
#![forbid(unsafe_code)]

mod core;
mod parts;
mod recursion;
mod told;

use std::panic;
use std::sync::Mutex;

use pyo3::prelude::*;

/// What the last panic said, until Python has asked for it.
static FAULT: Mutex<Option<String>> = Mutex::new(None);

/// Return and forget what the last panic said.
fn take_fault() -> Option<String> {
    FAULT.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take()
}

/// The native data path of dns-node.
#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    // A panic is counted and answered by Python; what it says goes to the worker's log, by Python.
    panic::set_hook(Box::new(|fault| {
        let mut last = FAULT.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        *last = Some(fault.to_string());
    }));
    module.add("SOURCES", env!("DNS_NODE_SOURCES"))?;
    module.add_class::<recursion::Recursion>()?;
    module.add_class::<core::Core>()
}
