//! What the programs say to each other keeps its shape: a frame written is the frame read, on one line.

use panel::wire::{Answer, Ask, CallRow, Figures, Frame, MediaRow, Reply, ShardFigures, Want};

#[test]
fn every_kind_of_frame_comes_back_as_it_was() {
    let call = CallRow {
        call: "00ff".into(),
        calling: "line\nbreak \"quoted\"".into(),
        talking_ms: Some(7),
        ingress_media: MediaRow { packets: 1, lost: 2, jitter_us: 3, rtt_us: 4, mos_x100: 5, ..MediaRow::default() },
        ..CallRow::default()
    };
    let figures = Figures {
        boot: 3,
        counters: vec![("calls".into(), u64::MAX)],
        shards: vec![ShardFigures::default()],
        stages: vec![("parse".into(), vec![(31, 2)])],
        ..Figures::default()
    };
    let frames = [
        Frame::Hello { role: "controller".into() },
        Frame::Ask { id: 1, ask: Ask::Load { path: "snapshots/7.snap".into() } },
        Frame::Ask { id: 2, ask: Ask::Figures },
        Frame::Answer { id: 2, answer: Answer::Figures(Box::new(figures)) },
        Frame::Answer { id: 3, answer: Answer::Calls(vec![call]) },
        Frame::Answer { id: 4, answer: Answer::Refused { reason: "damaged".into() } },
        Frame::Want(Want::Grant { grant: "0a".into(), account: 1, want: i64::MAX, slice: 1 }),
        Frame::Reply(Reply::Granted { grant: "0a".into(), account: 1, amount: 0, cause: 306 }),
    ];
    for frame in frames {
        let line = serde_json::to_string(&frame).expect("every frame can be written");
        assert!(!line.contains('\n'), "{line}");
        assert_eq!(serde_json::from_str::<Frame>(&line).expect("what was written can be read"), frame);
    }
}

#[test]
fn a_frame_of_unknown_kind_is_refused() {
    for line in ["{}", "{\"shout\":{}}", "[]", "", "{\"ask\":{\"id\":-1,\"ask\":\"figures\"}}"] {
        assert!(serde_json::from_str::<Frame>(line).is_err(), "{line} was taken");
    }
}
