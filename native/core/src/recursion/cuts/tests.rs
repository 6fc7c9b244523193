//! Whom is asked, and for how long.

use super::*;

const EXAMPLE: &[u8] = b"\x07example\0";

fn server(port: u16, rtt_us: u32) -> AskedServer {
    AskedServer {
        address: SocketAddr::from(([192, 0, 2, 1], port)),
        rtt_us,
        manner: Manner { has_edns: true, has_cookie: true, mixes_case: true },
    }
}

fn facts(servers: Vec<AskedServer>) -> CutFacts {
    CutFacts { servers, depth_max: 1, is_forward: false, expires_s: 100.0 }
}

#[test]
fn the_deepest_cut_says_who_is_asked_and_a_name_far_below_it_is_handed_up() {
    let (mut cuts, mut chance) = (Cuts::default(), Chance::default());
    cuts.put(EXAMPLE, &facts(vec![server(1, 10)]), 0.0, &mut chance).unwrap();
    cuts.put(b"\x06signed\x07example\0", &facts(vec![]), 0.0, &mut chance).unwrap();
    let mut zone_of = |name: &[u8], now_s| Some(cuts.choose(name, now_s, &mut chance)?.zone_octets);
    assert_eq!(zone_of(b"\x03www\x07example\0", 0.0), Some(9));
    assert_eq!(zone_of(EXAMPLE, 0.0), Some(9));
    assert_eq!(zone_of(b"\x01a\x03www\x07example\0", 0.0), None);
    assert_eq!(zone_of(b"\x03www\x06signed\x07example\0", 0.0), None);
    assert_eq!(zone_of(b"\x03www\x05other\0", 0.0), None);
    assert_eq!(zone_of(b"\0", 0.0), None);
    assert_eq!(zone_of(EXAMPLE, 100.0), None);
}

#[test]
fn one_of_the_quick_servers_is_asked() {
    let (mut cuts, mut chance) = (Cuts::default(), Chance::default());
    let servers = vec![server(1, 10_000), server(2, 12_000), server(3, 900_000)];
    cuts.put(EXAMPLE, &facts(servers), 0.0, &mut chance).unwrap();
    let mut asked = [0; 3];
    for _ in 0..200 {
        let choice = cuts.choose(EXAMPLE, 0.0, &mut chance).unwrap();
        asked[usize::from(cuts.server(choice.server).address.port()) - 1] += 1;
        cuts.note_end(EXAMPLE, End::Answered, 0.0);
    }
    assert!(asked[0] > 50 && asked[1] > 50 && asked[2] == 0, "{asked:?}");
}

#[test]
fn a_cut_that_fails_often_is_left_alone_and_a_silent_one_is_forgotten() {
    let (mut cuts, mut chance) = (Cuts::default(), Chance::default());
    let known = CutFacts { expires_s: 1000.0, ..facts(vec![server(1, 10)]) };
    for is_dead in [true, false] {
        cuts.put(EXAMPLE, &known, 0.0, &mut chance).unwrap();
        for _ in 0..if is_dead { 1 } else { FAILURES_MAX } {
            assert!(cuts.choose(EXAMPLE, 0.0, &mut chance).is_some());
            cuts.note_end(EXAMPLE, if is_dead { End::Silence } else { End::HandedUp }, 0.0);
        }
        assert!(cuts.choose(EXAMPLE, 0.0, &mut chance).is_none());
    }
    cuts.put(EXAMPLE, &known, 1.0, &mut chance).unwrap();
    assert!(cuts.choose(EXAMPLE, 1.0, &mut chance).is_none());
    cuts.put(EXAMPLE, &known, REST_S, &mut chance).unwrap();
    assert!(cuts.choose(EXAMPLE, REST_S, &mut chance).is_some());
}

#[test]
fn what_is_to_be_handed_up_is_unless_there_is_a_cut_below() {
    let (mut cuts, mut chance) = (Cuts::default(), Chance::default());
    let all = CutFacts { depth_max: 9, ..facts(vec![server(1, 10)]) };
    cuts.put(b"\0", &all, 0.0, &mut chance).unwrap();
    let mut may_ask = |cuts: &mut Cuts| cuts.choose(EXAMPLE, 0.0, &mut chance).is_some();
    assert!(may_ask(&mut cuts));
    cuts.hand_up([EXAMPLE.into()].into_iter());
    assert!(!may_ask(&mut cuts));
    cuts.put(EXAMPLE, &all, 0.0, &mut Chance::default()).unwrap();
    assert!(may_ask(&mut cuts));
}

#[test]
fn the_number_of_cuts_and_servers_is_bounded_and_what_is_used_stays() {
    let (mut cuts, mut chance) = (Cuts::default(), Chance::default());
    cuts.put(EXAMPLE, &facts(vec![server(1, 10)]), 0.0, &mut chance).unwrap();
    for number in 0..3 * CUTS_MAX as u32 {
        let mut name = vec![4];
        name.extend(number.to_be_bytes());
        name.push(0);
        let port = (number / 4) as u16;
        cuts.put(&name, &facts(vec![server(port, 10)]), 0.0, &mut chance).unwrap();
        assert!(cuts.choose(EXAMPLE, 0.0, &mut chance).is_some());
        cuts.note_end(EXAMPLE, End::Answered, 0.0);
        assert!(cuts.len() <= 2 * CUTS_MAX && cuts.servers.len() <= SERVERS_MAX);
    }
}

#[test]
fn a_server_that_has_told_its_cookie_has_to_tell_it_again() {
    let (mut cuts, mut chance) = (Cuts::default(), Chance::default());
    cuts.put(EXAMPLE, &facts(vec![server(1, 10)]), 0.0, &mut chance).unwrap();
    let choice = cuts.choose(EXAMPLE, 0.0, &mut chance).unwrap();
    let known = cuts.server(choice.server);
    let ours = known.cookie().to_vec();
    assert_eq!(ours.len(), CLIENT_COOKIE_OCTETS);
    assert!(known.take_cookie(None) && known.take_cookie(Some(&ours)));
    let whole = [&ours[..], &[7; 16]].concat();
    assert!(known.take_cookie(Some(&whole)));
    assert_eq!(known.cookie(), whole);
    assert!(!known.take_cookie(None) && !known.take_cookie(Some(&[0; 24])));
}

#[test]
fn what_waits_at_a_silent_cut_is_bounded() {
    let (mut cuts, mut chance) = (Cuts::default(), Chance::default());
    cuts.put(EXAMPLE, &facts(vec![server(1, 10)]), 0.0, &mut chance).unwrap();
    for _ in 0..OUTSTANDING_MAX {
        assert!(cuts.choose(EXAMPLE, 0.0, &mut chance).is_some());
        // What is known of a cut is told again and again.
        cuts.put(EXAMPLE, &facts(vec![server(1, 10)]), 0.0, &mut chance).unwrap();
    }
    assert!(cuts.choose(EXAMPLE, 1.0, &mut chance).is_none());
    cuts.note_end(EXAMPLE, End::Answered, 1.0);
    for _ in 0..OUTSTANDING_MAX {
        assert!(cuts.choose(EXAMPLE, 1.05, &mut chance).is_some());
    }
    assert!(cuts.choose(EXAMPLE, 1.2, &mut chance).is_none());
}

#[test]
fn random_names_below_a_cut_are_handed_up_for_a_while() {
    let (mut cuts, mut chance) = (Cuts::default(), Chance::default());
    let example = facts(vec![server(1, 10)]);
    cuts.put(EXAMPLE, &example, 0.0, &mut chance).unwrap();
    let mut asked = 0;
    for tick in 0..2000 {
        let now_s = f64::from(tick) / 1000.0;
        if cuts.choose(EXAMPLE, now_s, &mut chance).is_some() {
            asked += 1;
            cuts.note_end(EXAMPLE, End::NxDomain, now_s);
        }
        cuts.put(EXAMPLE, &example, now_s, &mut chance).unwrap();
    }
    assert!((120..=140).contains(&asked), "{asked}");
    assert!(cuts.choose(EXAMPLE, 3.0, &mut chance).is_some());
}
