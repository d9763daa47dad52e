use std::sync::atomic::Ordering;
use std::time::Duration;

use cluster::{DiskStatus, MachineStatus, ProgramStatus, ShardLoad};
use panel::wire::{
    Ask, BindingRow, CallRow, FastPathFigures, Figures, MediaRow, MediaSocketsFigures, Peers, RegistrationRow,
    ShardFigures, StrangerRow,
};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;

use crate::node::{Browser, Node};

const CALL: &str = "00010000000100000000000000070000";

fn row() -> CallRow {
    CallRow {
        call: CALL.into(),
        state: "up".into(),
        ingress_trunk: 1,
        originator: 1,
        egress_trunk: 1,
        terminator: 2,
        calling: "12025550100".into(),
        called: "442071234567".into(),
        attempt: 1,
        started: 1_700_000_000_000_000,
        talking_ms: Some(1_500),
        sell_per_minute: 12_400_000,
        buy_per_minute: 9_800_000,
        codec: "PCMA/8000".into(),
        shard: 1,
        media_path: "sockets".into(),
        stays: vec!["record".into()],
        ingress_media: MediaRow {
            packets: 75,
            kernel_packets: 70,
            lost: 1,
            jitter_us: 300,
            rtt_us: 0,
            mos_x100: 431,
            suite: 4,
        },
        egress_media: MediaRow::default(),
    }
}

fn figures(begun: u64) -> Figures {
    Figures {
        boot: 3,
        uptime_s: 60,
        revision: 7,
        journal_disk_percent: 12,
        fast_path: FastPathFigures {
            tier: "xdp".into(),
            interfaces: vec!["eth0 xdp".into()],
            relayed: 77,
            behind: 3,
            ..Default::default()
        },
        media_sockets: MediaSocketsFigures {
            shared: false,
            why: "media is bound to loopback".into(),
            calls_max: 50,
            calls_max_by: "media ports".into(),
        },
        counters: vec![("calls_begun".into(), begun), ("calls_answered".into(), begun / 2)],
        meanings: vec![("calls_begun".into(), "Calls begun.".into())],
        shards: (0..2)
            .map(|shard| ShardFigures {
                shard,
                calls: 5,
                answered: 4,
                ports_used: 80,
                revision: 7,
                ..ShardFigures::default()
            })
            .collect(),
        stages: vec![("route".into(), vec![(1_023, 9_900), (2_047, 95), (1_048_575, 5)])],
        ..Figures::default()
    }
}

/// Asks until the answer is as wanted; a second or two, for the figures are read once a second.
async fn until(browser: &Browser<'_>, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    for _ in 0..9_000 {
        let told = browser.get(path).await;
        if told.status == 200 && wanted(&told.json()) {
            return told.json();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{path} never said what was wanted: {}", browser.get(path).await.text())
}

#[tokio::test]
async fn running_calls_are_told_with_names_and_can_be_released() {
    let node = Node::start().await;
    let admin = node.log_in().await;
    admin.furnish().await;
    node.link.calls.lock().unwrap().push(row());
    let calls = admin.get("/api/v1/calls").await.expect(200);
    let call = &calls["data"][0];
    assert_eq!(call["originator"], json!({ "id": "car_1", "code": "acme" }));
    assert_eq!(call["egress_trunk"], json!({ "id": "etr_1", "code": "blux" }));
    assert_eq!((call["sell_per_minute"].as_str(), call["talking_ms"].as_u64()), (Some("0.0124"), Some(1_500)));
    assert_eq!(
        call["ingress_media"],
        json!({ "packets": 75, "kernel_packets": 70, "lost": 1, "jitter_us": 300, "rtt_us": null, "mos": 4.31, "suite": "AEAD_AES_128_GCM" })
    );
    assert_eq!((&call["media_path"], &call["stays"]), (&json!("sockets"), &json!(["record"])));
    assert_eq!(call["egress_media"]["mos"], Value::Null);
    let none = admin.get("/api/v1/calls?terminator=car_3").await.expect(200);
    assert_eq!(none["data"], json!([]));
    admin.send("DELETE", &format!("/api/v1/calls/{CALL}"), json!(null)).await.expect(204);
    assert!(node.link.asked.lock().unwrap().contains(&Ask::Release { call: CALL.into() }));
    let other = CALL.replace('7', "8");
    admin.send("DELETE", &format!("/api/v1/calls/{other}"), json!(null)).await.problem(404, "not_found");
    admin.send("DELETE", "/api/v1/calls/7", json!(null)).await.problem(404, "not_found");
    let audit = admin.get(&format!("/api/v1/audit?object={CALL}")).await.expect(200);
    assert_eq!(audit["data"][0]["action"], "release");
}

#[tokio::test]
async fn calls_are_captured_and_captures_opened_by_those_who_may_and_it_is_written_down() {
    let node = Node::start().await;
    let admin = node.log_in().await;
    let (capture, pcap) = (format!("/api/v1/calls/{CALL}/capture"), format!("/api/v1/calls/{CALL}/pcap"));
    admin.send("POST", &capture, json!({ "what": "rtp_headers" })).await.expect(204);
    let asked = Ask::Capture { call: CALL.into(), what: "rtp_headers".into() };
    assert!(node.link.asked.lock().unwrap().contains(&asked));
    assert_eq!(admin.send("POST", &capture, json!({ "what": "loud" })).await.status, 422);
    admin.get(&pcap).await.problem(404, "not_found");
    let folder = node.folder.path().join("captures");
    std::fs::create_dir(&folder).unwrap();
    let packets: Vec<u8> = (0..200_000u32).map(|place| place as u8).collect();
    std::fs::write(folder.join(format!("{CALL}.pcapng")), &packets).unwrap();
    let opened = admin.get(&pcap).await;
    assert_eq!((opened.status, opened.header("content-type")), (200, "application/x-pcapng"));
    assert!(opened.body == packets, "{} bytes", opened.body.len());
    // Browsers ask for packed answers; only a whole one ends with an empty chunk.
    let packed = node.send("GET", &pcap, &[("cookie", &admin.cookie), ("accept-encoding", "gzip")], b"").await;
    assert_eq!((packed.status, packed.header("content-encoding")), (200, "gzip"));
    assert!(packed.body.ends_with(b"\r\n0\r\n\r\n"), "{} bytes, broken off", packed.body.len());
    admin.get("/api/v1/calls/..%2f..%2fetc/pcap").await.problem(404, "not_found");
    let audit = admin.get(&format!("/api/v1/audit?object={CALL}")).await.expect(200);
    let acts: Vec<_> = audit["data"].as_array().unwrap().iter().map(|entry| entry["action"].clone()).collect();
    assert_eq!(acts, ["open_capture", "open_capture", "capture"]);
}

#[tokio::test]
async fn calls_are_recorded_and_listened_to_by_those_who_may_and_it_is_written_down() {
    let node = Node::start().await;
    let admin = node.log_in().await;
    let (record, recording) = (format!("/api/v1/calls/{CALL}/record"), format!("/api/v1/calls/{CALL}/recording"));
    for on in [true, false] {
        admin.send("POST", &record, json!({ "on": on })).await.expect(204);
        assert!(node.link.asked.lock().unwrap().contains(&Ask::Record { call: CALL.into(), on }));
    }
    admin.get(&recording).await.problem(404, "not_found");
    let folder = node.folder.path().join("recordings");
    std::fs::create_dir(&folder).unwrap();
    let samples: Vec<u8> = (0..64_044u32).map(|place| place as u8).collect();
    std::fs::write(folder.join(format!("{CALL}.wav.part")), &samples).unwrap();
    admin.send("DELETE", &recording, json!(null)).await.problem(409, "conflict");
    std::fs::rename(folder.join(format!("{CALL}.wav.part")), folder.join(format!("{CALL}.wav"))).unwrap();
    let heard = admin.get(&recording).await;
    assert_eq!(
        (heard.status, heard.header("content-type"), heard.header("accept-ranges")),
        (200, "audio/wav", "bytes")
    );
    assert!(heard.body == samples, "{} bytes", heard.body.len());
    let listed = admin.get("/api/v1/recordings").await.expect(200);
    let row = &listed["data"][0];
    assert_eq!((&row["call"], &row["seconds"], &row["finished"]), (&json!(CALL), &json!(2.0), &json!(true)));
    admin.send("DELETE", &recording, json!(null)).await.expect(204);
    admin.get(&recording).await.problem(404, "not_found");
    let audit = admin.get(&format!("/api/v1/audit?object={CALL}")).await.expect(200);
    let acts: Vec<_> = audit["data"].as_array().unwrap().iter().map(|entry| entry["action"].clone()).collect();
    assert_eq!(acts, ["remove_recording", "listen", "end_recording", "record"]);
}

#[tokio::test]
async fn recordings_of_peers_are_heard_and_places_of_files_are_told() {
    let node = Node::start().await;
    let admin = node.log_in().await;
    let recording = format!("/api/v1/calls/{CALL}/recording");
    let folder = node.folder.path().join("peers/recordings");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(format!("{CALL}.wav")), [7; 100_000]).unwrap();
    let heard = admin.get(&recording).await;
    assert!(heard.status == 200 && heard.body == [7; 100_000], "{}: {} bytes", heard.status, heard.body.len());
    let listed = admin.get("/api/v1/recordings").await.expect(200);
    assert_eq!(listed["data"], json!([]), "it is not of this node");
    let place = &admin.get("/api/v1/files").await.expect(200)["data"][0];
    assert_eq!(
        (&place["to"], &place["waiting"], &place["problem"]),
        (&json!("/mnt/\"calls\""), &json!(0), &json!(null))
    );
    let metrics = node.send("GET", "/metrics", &[], b"").await.text();
    assert!(metrics.contains("tandem_files_waiting{place=\"/mnt/\\\"calls\\\"\"} 0"), "{metrics}");
    let engine = &admin.get("/api/v1/search-engines").await.expect(200)["data"][0];
    assert_eq!((&engine["url"], &engine["sent"]), (&json!("http://127.0.0.1:1"), &json!(0)));
    assert!(metrics.contains("tandem_search_waiting 0"), "{metrics}");
    admin.send("DELETE", &recording, json!(null)).await.expect(204);
    admin.get(&recording).await.problem(404, "not_found");
}

#[tokio::test]
async fn strangers_bindings_and_registrations_are_told() {
    let node = Node::start().await;
    let admin = node.log_in().await;
    admin.furnish().await;
    let nobody = admin.get("/api/v1/peers").await.expect(200);
    assert_eq!(
        (&nobody["strangers"], &nobody["bindings"], &nobody["registrations"]),
        (&json!([]), &json!([]), &json!([]))
    );
    let (at, from) = (1_700_000_000_000_000, "198.51.100.66:5060".to_owned());
    *node.link.peers.lock().unwrap() = Peers {
        strangers: vec![StrangerRow {
            at,
            from: from.clone(),
            method: "INVITE".into(),
            user: "0044".into(),
            reason: "intruder".into(),
        }],
        bindings: vec![BindingRow {
            record: "alice@example.net".into(),
            contact: "sip:alice@192.0.2.1".into(),
            from,
            since: at,
            until: at + 600_000_000,
            node: 2,
            reached: true,
        }],
        registrations: vec![RegistrationRow {
            egress_trunk: 1,
            state: "failed".into(),
            until: None,
            status: Some(403),
        }],
    };
    let told = admin.get("/api/v1/peers").await.expect(200);
    assert_eq!(told["strangers"][0]["reason"], "intruder");
    assert_eq!(told["bindings"][0]["until"], "2023-11-14T22:23:20.000000Z");
    assert_eq!((&told["bindings"][0]["node"], &told["bindings"][0]["reached"]), (&json!(2), &json!(true)));
    assert_eq!(told["registrations"][0]["egress_trunk"], json!({ "id": "etr_1", "code": "blux" }));
    assert_eq!(
        (told["registrations"][0]["state"].as_str(), told["registrations"][0]["status"].as_u64()),
        (Some("failed"), Some(403))
    );
    node.link.down.store(true, Ordering::SeqCst);
    admin.get("/api/v1/peers").await.problem(503, "data_plane_away");
}

#[tokio::test]
async fn the_overview_moves_with_the_data_plane_and_tells_when_it_is_away() {
    let node = Node::start().await;
    let admin = node.log_in().await;
    admin.furnish().await;
    node.link.calls.lock().unwrap().push(row());
    *node.link.figures.lock().unwrap() = figures(100);
    let told = until(&admin, "/api/v1/overview", |told| told["figures"]["calls"] == 10).await;
    assert_eq!((told["figures"]["answered"].as_u64(), told["figures"]["revision"].as_u64()), (Some(8), Some(7)));
    assert_eq!(told["figures"]["backlog_records"], 3);
    assert_eq!(told["originators"][0]["carrier"]["code"], "acme");
    assert_eq!(told["originators"][0]["running"], 1);
    *node.link.figures.lock().unwrap() = figures(150);
    until(&admin, "/api/v1/overview", |told| told["figures"]["cps"].as_f64().unwrap() > 20.0).await;
    assert!(admin.get("/readyz").await.status == 200);
    node.link.down.store(true, Ordering::SeqCst);
    let away = until(&admin, "/api/v1/overview", |told| told["figures"]["data_plane_up"] == false).await;
    assert_eq!(away["figures"]["calls"], 10, "the last known figures stay, with their age");
    assert!(away["figures"]["age_ms"].as_u64().unwrap() >= 2_000);
    assert_eq!(admin.get("/readyz").await.status, 503);
    admin.get("/api/v1/calls").await.problem(503, "data_plane_away");
}

fn machine() -> MachineStatus {
    MachineStatus {
        at: 1_700_000_000_000_000,
        uptime_s: 90_061,
        cores: 2,
        load_x100: [52, 100, 1_234],
        cpu_permille: Some(255),
        stolen_permille: Some(100),
        memory_bytes: 8_192_000_000,
        memory_free_bytes: 2_048_000_000,
        disks: vec![DiskStatus { holds: "journal".into(), bytes: 1_000, free_bytes: 400, used_percent: 58 }],
        programs: vec![ProgramStatus { name: "dataplane".into(), uptime_s: 61, memory_bytes: 2_097_152 }],
        shards: vec![ShardLoad { shard: 1, cpu_permille: 755, wait_permille: 5 }],
        clock_off_us: Some(-1_500),
    }
}

#[tokio::test]
async fn how_a_machine_does_is_on_the_overview_with_its_node_and_in_metrics() {
    let node = Node::start().await;
    let admin = node.log_in().await;
    assert_eq!(admin.get("/api/v1/overview").await.expect(200)["machines"], json!([]), "nobody looked yet");
    assert_eq!(admin.get("/api/v1/nodes").await.expect(200)["data"][0]["machine"], Value::Null);
    let metrics = async || node.send("GET", "/metrics", &[], b"").await.text();
    assert!(!metrics().await.contains("tandem_machine"));
    node.machine.send_replace(machine());
    let told = json!({ "read_at": "2023-11-14T22:13:20.000000Z", "uptime_s": 90_061, "cores": 2, "load": [0.52, 1.0, 12.34],
        "cpu_percent": 25.5, "stolen_percent": 10.0, "memory_bytes": 8_192_000_000_u64, "memory_free_bytes": 2_048_000_000,
        "disks": [{ "holds": "journal", "bytes": 1_000, "free_bytes": 400, "used_percent": 58 }],
        "programs": [{ "name": "dataplane", "uptime_s": 61, "memory_bytes": 2_097_152 }],
        "shards": [{ "shard": 1, "cpu_percent": 75.5, "wait_percent": 0.5 }], "clock_off_ms": -1.5 });
    let machines = &admin.get("/api/v1/overview").await.expect(200)["machines"];
    assert_eq!(machines, &json!([{ "node": 1, "machine": told }]));
    assert_eq!(admin.get("/api/v1/nodes").await.expect(200)["data"][0]["machine"], told);
    assert_eq!(admin.get("/api/v1/cluster").await.expect(200)["nodes"][0]["machine"], told);
    let metrics = metrics().await;
    for line in [
        "tandem_machine_uptime_seconds 90061",
        "tandem_machine_load{minutes=\"15\"} 12.34",
        "tandem_machine_cpu_ratio 0.255",
        "tandem_machine_stolen_ratio 0.1",
        "tandem_machine_memory_free_bytes 2048000000",
        "tandem_machine_disk_free_bytes{holds=\"journal\"} 400",
        "tandem_program_uptime_seconds{program=\"dataplane\"} 61",
        "tandem_shard_cpu_ratio{shard=\"1\"} 0.755",
        "tandem_shard_wait_ratio{shard=\"1\"} 0.005",
        "tandem_machine_clock_off_seconds -0.0015",
    ] {
        assert!(metrics.lines().any(|said| said == line), "{line} in\n{metrics}");
    }
}

#[tokio::test]
async fn the_stream_tells_the_figures_once_a_second() {
    let node = Node::start().await;
    let admin = node.log_in().await;
    *node.link.figures.lock().unwrap() = figures(100);
    let mut stream = node.open("GET", "/api/v1/events", &[("cookie", &admin.cookie)], b"").await;
    let mut heard = String::new();
    let mut block = [0; 4096];
    while heard.matches("event: overview").count() < 3 {
        let read = tokio::time::timeout(Duration::from_secs(120), stream.read(&mut block)).await.unwrap().unwrap();
        assert!(read > 0, "the stream ended: {heard}");
        heard.push_str(&String::from_utf8_lossy(&block[..read]));
    }
    assert!(heard.contains("content-type: text/event-stream"));
    assert!(heard.contains("\"calls\":10"), "{heard}");
}

#[tokio::test]
async fn latencies_are_told_as_percentiles_and_as_a_log() {
    let node = Node::start().await;
    let admin = node.log_in().await;
    *node.link.figures.lock().unwrap() = figures(100);
    let told = until(&admin, "/api/v1/latency", |told| told["stages"][0]["count"] == 10_000).await;
    let stage = &told["stages"][0];
    assert_eq!((stage["stage"].as_str(), stage["p50_ns"].as_u64()), (Some("route"), Some(1_023)));
    assert_eq!(stage["p99_9_ns"].as_u64(), Some(2_047));
    assert!(stage["max_ns"].as_u64().unwrap() >= 1_048_575);
    let log = admin.get("/api/v1/latency/route.hlog").await;
    assert_eq!(log.status, 200);
    let text = log.text();
    let entry = hdrhistogram::serialization::interval_log::IntervalLogIterator::new(text.as_bytes())
        .filter_map(|entry| match entry {
            Ok(hdrhistogram::serialization::interval_log::LogEntry::Interval(entry)) => Some(entry),
            _ => None,
        })
        .next()
        .expect("one interval");
    assert_eq!(entry.tag().unwrap().as_str(), "route");
    admin.get("/api/v1/latency/nothing.hlog").await.problem(404, "not_found");
}

#[tokio::test]
async fn nodes_and_metrics_tell_what_the_data_plane_counts() {
    let node = Node::start().await;
    let admin = node.log_in().await;
    *node.link.figures.lock().unwrap() = figures(100);
    let told = until(&admin, "/api/v1/nodes", |told| told["data"][0]["boot"] == 3).await;
    let first = &told["data"][0];
    assert_eq!((first["data_plane_up"].as_bool(), first["database_up"].as_bool()), (Some(true), Some(true)));
    assert_eq!(first["shards"].as_array().unwrap().len(), 2);
    assert_eq!(first["counters"][0], json!({ "name": "calls_begun", "value": 100, "meaning": "Calls begun." }));
    assert_eq!(first["fast_path"], json!({ "tier": "xdp", "why": "", "interfaces": ["eth0 xdp"], "relayed": 77 }));
    let sockets = json!({ "shared": false, "why": "media is bound to loopback", "calls_max": 50, "calls_max_by": "media ports",
        "used_percent": 80, "alarm": true });
    assert_eq!(first["media_sockets"], sockets);
    let metrics = node.send("GET", "/metrics", &[], b"").await;
    for line in [
        "tandem_media_used_percent 80",
        "tandem_data_plane_up 1",
        "tandem_calls_active{shard=\"1\"} 5",
        "# HELP tandem_calls_begun_total Calls begun.",
        "tandem_calls_begun_total 100",
        "tandem_cdr_backlog 3",
        "tandem_fastpath_interface{interface=\"eth0\",tier=\"xdp\"} 1",
        "tandem_fastpath_packets_total{what=\"relayed\"} 77",
        "tandem_fastpath_packets_total{what=\"behind\"} 3",
        "tandem_stage_seconds_bucket{stage=\"route\",le=\"0.000005\"} 9995",
        "tandem_stage_seconds_count{stage=\"route\"} 10000",
    ] {
        assert!(metrics.text().lines().any(|said| said == line), "{line} in\n{}", metrics.text());
    }
    admin.send("POST", "/api/v1/nodes/1/drain", json!({ "on": true })).await.expect(204);
    assert!(node.link.asked.lock().unwrap().contains(&Ask::Drain { on: true }));
    admin.send("POST", "/api/v1/nodes/9/drain", json!({ "on": true })).await.problem(404, "not_found");
    let lost = json!({ "fenced": true, "note": "its disk is gone" });
    admin.send("POST", "/api/v1/nodes/1/write-off", lost.clone()).await.problem(409, "conflict");
    let alive = json!({ "fenced": false, "note": "" });
    admin.send("POST", "/api/v1/nodes/9/write-off", alive).await.problem(422, "invalid");
    let back = admin.send("POST", "/api/v1/nodes/9/write-off", lost).await.expect(200);
    assert_eq!((back["grants"].as_u64(), back["returned"].as_array().unwrap().len()), (Some(0), 0));
    node.store.write_off(units::NodeId(1), "its board is dead").await.unwrap();
    assert_eq!(admin.get("/api/v1/nodes").await.expect(200)["data"][0]["barred"], true);
    let repaired = json!({ "note": "a new board" });
    let admitted = admin.send("POST", "/api/v1/nodes/9/admit", repaired.clone()).await.expect(200);
    assert_eq!(admitted["boot"].as_u64(), Some(0));
    admin.send("POST", "/api/v1/nodes/8/admit", repaired).await.problem(404, "not_found");
}
