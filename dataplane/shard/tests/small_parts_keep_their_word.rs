//! The shard's small parts: who owns a datagram, what home shards count.

use shard::steer;
use units::ShardId;

fn datagram(call_id: &str) -> Vec<u8> {
    format!("OPTIONS sip:a@b SIP/2.0\r\nVia: x\r\n{call_id}\r\nCSeq: 1 OPTIONS\r\n\r\nCall-ID: body").into_bytes()
}

#[test]
fn what_we_minted_goes_to_the_shard_that_minted_it() {
    for shard in [0, 1, 7] {
        let call_id = format!("Call-ID: 0123abcd{}", String::from_utf8(steer::mark(ShardId(shard))).expect("ASCII"));
        assert_eq!(steer::owner(&datagram(&call_id), 8), Some(ShardId(shard)));
    }
}

#[test]
fn a_mark_of_a_shard_that_does_not_exist_is_hashed_like_any_other() {
    let owner = steer::owner(&datagram("Call-ID: 0123-tdm00ff"), 2).expect("it has a Call-ID");
    assert!(owner.0 < 2);
}

#[test]
fn all_spellings_of_the_header_lead_to_the_same_shard() {
    let spellings = ["Call-ID: abc@host", "call-id:abc@host", "i: abc@host", "Call-ID :  abc@host  "];
    let owners: Vec<_> = spellings.iter().map(|line| steer::owner(&datagram(line), 64)).collect();
    assert!(owners.iter().all(|owner| owner.is_some() && *owner == owners[0]), "{owners:?}");
}

#[test]
fn call_ids_spread_over_all_shards() {
    let mut seen = [0; 4];
    for number in 0..4_000 {
        let owner = steer::owner(&datagram(&format!("Call-ID: {number}@10.0.0.1")), 4).expect("it has a Call-ID");
        seen[usize::from(owner.0)] += 1;
    }
    assert!(seen.iter().all(|count| (800..1_200).contains(count)), "{seen:?}");
}

#[test]
fn a_datagram_without_call_id_has_no_owner() {
    assert_eq!(steer::owner(&datagram("X: y"), 4), None, "what stands in a body is not a header");
    assert_eq!(steer::owner(b"", 4), None);
}
