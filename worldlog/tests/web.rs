//! What `worldlog dev` and the edges of a cluster give to browsers over HTTP, and to whom they do not.
#![allow(clippy::unwrap_used, dead_code, reason = "tests")]

mod program;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use client::{Client, ClientOptions, Outcome, Trust};
use program::cluster::{BACK_MAX, Cluster};
use program::{Bench, Dev};
use serde_json::Value;

/// An answer, with what stands above it.
struct Answer {
    code: u16,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
    }

    fn object(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

fn ask(dev: &Dev, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    ask_at(&dev.word("http").replace("0.0.0.0", "127.0.0.1"), method, path, headers)
}

fn ask_at(address: &str, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut socket = TcpStream::connect(address).unwrap();
    let mut request = format!("{method} {path} HTTP/1.1\r\nconnection: close\r\ncontent-length: 0\r\n");
    if headers.iter().all(|(name, _)| *name != "host") {
        request += &format!("host: {address}\r\n");
    }
    headers.iter().for_each(|(name, value)| request += &format!("{name}: {value}\r\n"));
    socket.write_all(format!("{request}\r\n").as_bytes()).unwrap();
    let mut bytes = Vec::new();
    socket.read_to_end(&mut bytes).unwrap();
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let code = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { code, head, body: bytes[end + 4..].to_vec() }
}

const NEAR: [&str; 4] = ["--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guest_learns_where_to_connect_gets_a_token_and_plays() {
    let bench = Bench::new();
    let dev = bench.dev(&NEAR);
    let edge = ask(&dev, "GET", "/edge.json", &[]);
    assert_eq!((edge.code, edge.header("cache-control")), (200, Some("no-store")));
    assert_eq!(edge.header("access-control-allow-origin"), None, "other pages cannot read it");
    let edge = edge.object();
    let quic = dev.word("quic");
    assert_eq!(edge["quic"], quic);
    assert_eq!(edge["webtransport"], format!("https://{quic}/worldlog/1"));
    assert_eq!((&edge["match"], &edge["game"], &edge["tokens"]), (&dev.ready["match"], &"arena".into(), &true.into()));
    assert_eq!(edge["certificate_sha256"][0], dev.ready["certificate_sha256"]);
    assert_eq!(edge["manifest_hash"].as_str().unwrap().len(), 16);

    let token = ask(&dev, "POST", "/token", &[]).object();
    assert!(token["account"].as_str().unwrap().starts_with("guest-"));
    let mut hash = [0; 32];
    let text = edge["certificate_sha256"][0].as_str().unwrap();
    for (place, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * place..2 * place + 2], 16).unwrap();
    }
    let trust = Trust::Pinned(hash);
    let client = Client::connect(quic.parse::<SocketAddr>().unwrap(), trust, ClientOptions::default()).await.unwrap();
    let player = client.join(token["token"].as_str().unwrap().to_owned()).await.unwrap();
    assert_eq!(player.stats().hash_mismatches, 0);
    // Move, as in the protocol's worked example.
    let walk = [
        0x0c, 0, 0, 0, 0x08, 0, 0x0c, 0, 0x07, 0, 0x08, 0, 0x08, 0, 0, 0, 0, 0, 0, 1, 0x0c, 0, 0, 0, 0x08, 0, 0x08, 0,
        0x06, 0, 0x07, 0, 0x08, 0, 0, 0, 0, 0, 0x7f, 0xc0,
    ];
    assert!(matches!(player.send(walk).await.unwrap(), Outcome::Applied { .. }));
}

#[test]
fn tokens_are_for_whom_it_may_concern() {
    let bench = Bench::new();
    let dev = bench.dev(&NEAR);
    let of = |path: &str, headers: &[(&str, &str)]| ask(&dev, "POST", path, headers).code;
    assert_eq!(of("/token?account=ada", &[]), 200);
    assert_eq!(of("/token?match=999", &[]), 404);
    assert_eq!(of("/token?match=x", &[]), 400);
    assert_eq!(of("/token?account=", &[]), 400);
    assert_eq!(of(&format!("/token?account={}", "a".repeat(65)), &[]), 400);
    assert_eq!(of("/token", &[("origin", "https://evil.example")]), 403);
    assert_eq!(of("/token", &[("sec-fetch-site", "cross-site")]), 403);
    let rebound = [("host", "evil.example"), ("origin", "http://evil.example")];
    assert_eq!(of("/token", &rebound), 403, "a name that leads here is another's");
    assert_eq!(ask(&dev, "GET", "/token", &[]).code, 405, "a link gives nothing away");
    drop(dev);

    let far = ["--listen", "127.0.0.1:0", "--http", "0.0.0.0:0"];
    let dev = bench.dev(&far);
    assert_eq!(ask(&dev, "GET", "/edge.json", &[]).object()["tokens"], false);
    assert_eq!(ask(&dev, "POST", "/token", &[]).code, 403, "others reach it");
    drop(dev);
    let dev = bench.dev(&[&far[..], &["--guests"]].concat());
    assert_eq!(ask(&dev, "POST", "/token", &[]).code, 200, "as it was told");
    assert_eq!(ask(&dev, "POST", "/token", &[("origin", "https://evil.example")]).code, 403);
}

#[test]
fn page_and_content_are_served_as_they_are_built() {
    let bench = Bench::new();
    let dev = bench.dev(&NEAR);
    let content = ask(&dev, "GET", "/content", &[]);
    assert_eq!((content.code, content.header("content-type")), (200, Some("text/plain; charset=utf-8")));
    assert_eq!(content.body, arena::default_content(), "what the match was opened with");
    assert_eq!(ask(&dev, "GET", "/content?match=999", &[]).code, 404);

    let folder = std::path::PathBuf::from("../assets/play");
    for (path, file, kind) in [
        ("/play", "index.html", "text/html; charset=utf-8"),
        ("/play/", "index.html", "text/html; charset=utf-8"),
        ("/play/index.html", "index.html", "text/html; charset=utf-8"),
        ("/play/bundle.js", "bundle.js", "text/javascript; charset=utf-8"),
        ("/play/style.css", "style.css", "text/css; charset=utf-8"),
    ] {
        let answer = ask(&dev, "GET", path, &[]);
        assert_eq!((answer.code, answer.header("content-type")), (200, Some(kind)), "{path}");
        assert_eq!(answer.body, std::fs::read(folder.join(file)).unwrap(), "{path}");
        assert!(answer.header("content-security-policy").unwrap().contains("default-src 'self'"));
        let tag = answer.header("etag").unwrap();
        let again = ask(&dev, "GET", path, &[("if-none-match", tag)]);
        assert_eq!((again.code, again.body.len()), (304, 0), "{path}");
        assert_eq!(ask(&dev, "GET", path, &[("if-none-match", "\"another\"")]).code, 200);
    }
    for path in ["/play/none.js", "/play/../keys/admin.key", "/play/%2e%2e/%2e%2e/Cargo.toml", "/play//etc/passwd"] {
        assert_eq!(ask(&dev, "GET", path, &[]).code, 404, "{path}");
    }
}

/// Names of what is told of each match, and its number.
fn told_of_matches(answer: &Answer) -> Vec<(Vec<String>, u64)> {
    assert_eq!(answer.code, 200, "{}", String::from_utf8_lossy(&answer.body));
    let names = |open: &Value| open.as_object().unwrap().keys().cloned().collect();
    let of = |open: &Value| (names(open), open["id"].as_u64().unwrap());
    answer.object()["matches"].as_array().unwrap().iter().map(of).collect()
}

/// Asks an edge until it answers so: while nobody leads, as after a pause of this machine, it answers otherwise.
fn answer_of(cluster: &Cluster, method: &str, path: &str, code: u16) -> Answer {
    let deadline = Instant::now() + BACK_MAX;
    loop {
        let answer = ask_at(cluster.http(), method, path, &[]);
        if answer.code == code {
            return answer;
        }
        assert!(
            Instant::now() < deadline,
            "{method} {path}: {} {}",
            answer.head,
            String::from_utf8_lossy(&answer.body)
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn an_edge_of_a_cluster_answers_as_dev_does() {
    let bench = Bench::new();
    let dev = bench.dev(&NEAR);
    let cluster = bench.cluster(&["--nodes", "1", "--edges", "1"]);
    let edge = |method: &str, path: &str, code| answer_of(&cluster, method, path, code);

    let (content, same) = (edge("GET", "/content", 200), ask(&dev, "GET", "/content", &[]));
    assert_eq!(content.header("content-type"), same.header("content-type"));
    assert!(content.body == arena::default_content(), "what the match was opened with, though a member has it");
    assert_eq!(content.header("etag"), same.header("etag"), "known by the hash of its bytes");
    let tag = content.header("etag").unwrap();
    assert_eq!(ask_at(cluster.http(), "GET", "/content", &[("if-none-match", tag)]).code, 304);
    let listed = told_of_matches(&edge("GET", "/matches", 200));
    assert_eq!(listed, told_of_matches(&ask(&dev, "GET", "/matches", &[])), "the same is told of the same match");
    assert_eq!(edge("GET", "/edge.json", 200).object()["match"], listed[0].1);

    let member = ["--member", "c"];
    let open = bench.run(&[&["match", "open", "--population", "7", "--json"][..], &member].concat()).object();
    let id = open["match"].as_u64().unwrap();
    assert_eq!(told_of_matches(&edge("GET", "/matches", 200)).last().unwrap().1, id, "as soon as it is open");
    let of = |path: &str| format!("{path}?match={id}");
    let other = edge("GET", &of("/content"), 200);
    assert!(other.body == arena::content_with_population(7), "each match has its own");
    assert_ne!(other.header("etag"), content.header("etag"));
    edge("POST", &of("/token"), 200);
    edge("POST", "/token?match=999", 404);
    let _ = bench.run(&[&["match", "close", &id.to_string(), "--json"][..], &member].concat()).object();
    assert_eq!(told_of_matches(&edge("GET", "/matches", 200)), listed);
    edge("GET", &of("/content"), 404);
    edge("POST", &of("/token"), 404);

    assert_eq!(edge("GET", "/", 307).header("location"), Some("/play"));
    assert!(edge("GET", "/play", 200).body == ask(&dev, "GET", "/play", &[]).body);
    cluster.stop();
}
