//! Answers allocate nothing, once there is room for the largest of them.

use std::alloc::{GlobalAlloc, Layout, System};
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use dns_node_core::cookies::CookieSecrets;
use dns_node_core::{respond, Client, Decision, Scratch, Settings, Store};

/// Counts what is asked of the system's allocator.
struct Counting;

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

// SAFETY: everything is handed to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's duty is the system allocator's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the pointer came from `alloc`, so from the system's allocator.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

#[test]
fn answers_allocate_nothing_once_there_is_room() {
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz");
    let path = std::env::temp_dir().join(format!("dns-node-allocations-{}", std::process::id()));
    std::fs::create_dir_all(&path).expect("a directory");
    std::fs::copy(kept.join("store/data.mdb"), path.join("data.mdb")).expect("a store");
    let pack = std::fs::read(kept.join("queries.pack")).expect("the queries");
    let mut store = Store::open(&path).expect("a store");
    let cookie_secrets = CookieSecrets::new([7; 16], &[]);
    let settings = Settings { cookie_secrets, ..Settings::default() };
    let mut scratch = Scratch::default();
    let mut out = vec![0; 65535];
    let mut replies = 0;
    let mut ask_all = || {
        store.renew().expect("a revision");
        let snapshot = store.snapshot();
        let mut rest = &pack[..];
        while let [high, low, behind @ ..] = rest {
            let (input, behind) = behind.split_at(usize::from(*high) << 8 | usize::from(*low));
            rest = behind;
            let Some((who, query)) = input.split_first() else { continue };
            let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
            let client = Client { address, port: 4000, is_tcp: who & 1 != 0 };
            let view = snapshot.as_ref();
            let decision = respond(query, view, &client, 0.0, &settings, &mut scratch, &mut out);
            replies += usize::from(matches!(decision, Decision::Reply(_)));
        }
        store.reset();
    };
    ask_all();
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    ask_all();
    let allocations = ALLOCATIONS.load(Ordering::Relaxed) - before;
    std::fs::remove_dir_all(&path).expect("the directory");
    assert!(replies > 4000, "{replies} replies");
    assert_eq!(allocations, 0);
}
