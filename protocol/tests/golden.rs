//! Bytes that outlive a build. The worked examples of `README.md` are these, so that the
//! specification and the code cannot drift apart; so are its schemas, limits and codes.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use protocol::columns::row_hash;
use protocol::delta::{Writer, apply, encode_full, filter};
use protocol::frame::{PREFIX_BYTES, RawFrame};
use protocol::manifest::{FieldKind, Layout, Manifest, Rejection, Sync, Visibility};
use protocol::outcome::CloseCode;
use protocol::session::*;
use protocol::{Columns, EntityId, OutcomeCode, limits};

const README: &str = include_str!("../README.md");
const SCHEMAS: &str = include_str!("../SCHEMAS.md");

const HELLO: &str = concat!(
    "4400000010000000574c434608000e000700080008000000000000011000000000000a000c000600000008000a000000",
    "00000100040000000b0000006578616d706c652f312e3000",
);
const COMMANDS: &str = concat!(
    "6000000010000000574c434608000c000700080008000000000000040c00000008000c00040008000800000006000000",
    "04000000020000001c00000004000000f2ffffff0400000001000000dd00060008000400060000000400000003000000",
    "aabbcc00",
);
const MANIFEST: &str = concat!(
    "18000000574c4d4610001c00040008000c0010001400180010000000fc0100000100000030750000380000000c000000",
    "0400000000000000010000000c00000008000c000600080008000000000000010400000007000000746f6f2d66617200",
    "040000006c010000e4000000640000001400000000000e00100006000800050000000c000e000000000109002c000000",
    "040000000100000004000000b6feffff00000003080000000100000004000000676f6c64000000000500000050757273",
    "65000e00100006000800000000000c000e00000000000500580000000400000002000000300000001000000000000a00",
    "0c000400000008000a000000080000000100000008000000736869656c646564000000002effffff0000000208000000",
    "0100000006000000706f696e74730000060000004865616c7468000000000e00100006000800000005000c000e000000",
    "0001030064000000040000000300000040000000240000000400000086ffffff00000009080000000100000006000000",
    "666163696e670000a2ffffff0000000708000000000100000100000079000000baffffff000000070800000000010000",
    "010000007800000005000000506c616365000e000c00000004000000000008000e000000380000000400000001000000",
    "1000000000000a001000080007000c000a0000000000000b0800000001000000050000006f776e657200000006000000",
    "456e746974790000070000006578616d706c6500",
);
const MANIFEST_HASH: u64 = 0xa1b4_8220_51d1_a2a8;
const BASELINE_COLUMNS: &str = concat!(
    "030000030101010003020003000301c8018f030000c03f0100000000000003e0c50801000000c00005000201ac020104",
    "640000",
);
const BASELINE_OWN: &str = "01090001013200";
const BASELINE_HASH: u64 = 0x654c_a9a5_6ced_12a9;
const DELTA_COLUMNS: &str = "030001020107020003000107050800000000010105130000803e05010500010101a6fb07";
const DELTA_OWN: &str = "0109000001010113";
const DELTA_HASH: u64 = 0xa61f_e6b9_2d41_5c71;
const DELTA_FRAME: &str = concat!(
    "7000000010000000574c534608000c00070008000800000000000006100000000c00200008001000180004000c000000",
    "1c0000002a00000000000000c01c000000000000715c412db9e61fa62400000003000102010702000300010705080000",
    "0000010105130000803e05010500010101a6fb07",
);

#[test]
fn a_hello_frame() {
    let mut hello = HelloT::default();
    (hello.major, hello.minor) = (1, 0);
    hello.client = Some("example/1.0".to_owned());
    check_bytes(HELLO, &encode_client(ClientMessageT::Hello(Box::new(hello))));
}

#[test]
fn a_frame_of_two_commands() {
    let mut commands = CommandsT::default();
    commands.first_seq = 6;
    for payload in [&[0xaa, 0xbb, 0xcc][..], &[0xdd]] {
        let mut item = CommandBytesT::default();
        item.payload = payload.to_vec();
        commands.items.push(item);
    }
    check_bytes(COMMANDS, &encode_client(ClientMessageT::Commands(Box::new(commands))));
}

#[test]
fn the_manifest_of_the_examples() {
    check_bytes(MANIFEST, manifest().bytes());
    check_number(MANIFEST_HASH, manifest().hash());
    assert_eq!(*manifest(), Manifest::decode(&unhex(MANIFEST)).unwrap());
}

#[test]
fn the_baseline_of_the_examples() {
    let (columns, _) = at_tick_41();
    check_bytes(BASELINE_COLUMNS, &encode_full(&columns, Visibility::Everyone, |_| true));
    check_bytes(BASELINE_OWN, &encode_full(&columns, Visibility::Owner, is_player_1s(&columns)));
    check_number(BASELINE_HASH, columns.hash(Visibility::Everyone));
    check_rows(&columns);
}

#[test]
fn the_delta_of_the_examples() {
    let (mut columns, mut writer) = at_tick_41();
    to_tick_42(&mut columns, &mut writer);
    check_bytes(DELTA_COLUMNS, &writer.finish(Visibility::Everyone));
    let own = filter(&manifest(), &writer.finish(Visibility::Owner), is_player_1s(&columns)).unwrap().unwrap();
    check_bytes(DELTA_OWN, &own);
    check_number(DELTA_HASH, columns.hash(Visibility::Everyone));
    check_bytes(DELTA_FRAME, &encode_delta(42, 7_360, DELTA_HASH, &unhex(DELTA_COLUMNS)));
    check_rows(&columns);
}

#[test]
fn a_client_that_reads_the_examples_holds_the_state_of_tick_42() {
    let mut mirror = Columns::new(Arc::new(Manifest::decode(&unhex(MANIFEST)).unwrap()));
    apply(&mut mirror, Visibility::Everyone, &unhex(BASELINE_COLUMNS)).unwrap();
    apply(&mut mirror, Visibility::Owner, &unhex(BASELINE_OWN)).unwrap();
    assert_eq!(mirror.hash(Visibility::Everyone), BASELINE_HASH);
    let bytes = unhex(DELTA_FRAME);
    let frame = decode_server(RawFrame(&bytes[PREFIX_BYTES..])).unwrap();
    let delta = frame.message_as_delta().unwrap();
    assert_eq!((delta.tick(), delta.position(), delta.hash()), (42, 7_360, DELTA_HASH));
    apply(&mut mirror, Visibility::Everyone, delta.columns().bytes()).unwrap();
    apply(&mut mirror, Visibility::Owner, &unhex(DELTA_OWN)).unwrap();
    assert_eq!(mirror.hash(Visibility::Everyone), DELTA_HASH);
    assert_eq!(mirror.field(EntityId(1), "Place", "x"), Some(90));
    assert_eq!(mirror.field(EntityId(1), "Purse", "gold"), Some(40));
}

#[test]
fn the_annotated_bytes_are_those_of_the_examples() {
    assert_eq!(annotated(), [BASELINE_COLUMNS, BASELINE_OWN, DELTA_COLUMNS, DELTA_OWN]);
}

#[test]
fn the_specification_holds_the_schemas() {
    for schema in [include_str!("../schema/session.fbs"), include_str!("../schema/manifest.fbs")] {
        assert!(SCHEMAS.contains(schema.trim()), "the schema in SCHEMAS.md is out of date");
    }
}

#[test]
fn the_specification_names_every_code() {
    let mut number = 0;
    while let Some(code) = CloseCode::from_number(number) {
        let retry = if code.is_retryable() { "resume" } else { "end" };
        check_line(&format!("| {number} | {code:?} | {} | {retry} |", code.sentence()));
        number += 1;
    }
    for code in 0..OutcomeCode::GAME {
        if let Some(name) = OutcomeCode(code).name() {
            check_line(&format!("| {code} | `{name}` |"));
        }
    }
}

#[test]
fn the_specification_gives_the_limits() {
    let numbers = [
        ("frame from client to edge, bytes", limits::CLIENT_FRAME_BYTES_MAX),
        ("frame from edge to client, bytes", limits::SERVER_FRAME_BYTES_MAX),
        ("tables in a frame from a client", limits::CLIENT_FRAME_TABLES_MAX),
        ("nesting of tables in a frame from a client", limits::CLIENT_FRAME_DEPTH_MAX),
        ("command, bytes", limits::COMMAND_BYTES_MAX),
        ("nesting of tables in a command", limits::COMMAND_DEPTH_MAX),
        ("tables in a command", limits::COMMAND_TABLES_MAX),
        ("commands without outcome", limits::COMMANDS_UNACKED_MAX),
        ("commands in one frame", limits::COMMANDS_PER_FRAME_MAX),
        ("commands of a session that run in one tick", limits::COMMANDS_PER_TICK_MAX),
        ("outcomes kept for each session", limits::OUTCOME_RING),
        ("join token, bytes", limits::TOKEN_BYTES_MAX),
        ("account name, bytes", limits::ACCOUNT_BYTES_MAX),
        ("client name in Hello, bytes", limits::CLIENT_NAME_BYTES_MAX),
        ("resume secret, bytes (exactly)", limits::SECRET_BYTES),
        ("token nonce, bytes (exactly)", limits::NONCE_BYTES),
        ("life of a join token, seconds", limits::TOKEN_SECONDS_MAX as usize),
        ("life of a session without a connection, ms", limits::SESSION_EXPIRY_MS as usize),
        ("entities", limits::ENTITIES_MAX),
        ("components of a game", limits::COMPONENTS_MAX),
        ("fields of a component", limits::FIELDS_MAX),
        ("name in a manifest, bytes", limits::NAME_BYTES_MAX),
        ("manifest, bytes", limits::MANIFEST_BYTES_MAX),
        ("ticks in 1,000 seconds", limits::TICK_MILLIHERTZ_MAX as usize),
        ("QUIC handshake, ms", limits::HANDSHAKE_MS_MAX as usize),
        ("Hello and Join or Resume after the handshake, ms", limits::HELLO_MS_MAX as usize),
        ("silence, ms", limits::IDLE_MS_MAX as usize),
        ("frames a second", limits::FRAMES_PER_SECOND as usize),
        ("frames at once", limits::FRAMES_BURST as usize),
        ("Resyncs a second", limits::RESYNCS_PER_SECOND as usize),
        ("Resyncs at once", limits::RESYNCS_BURST as usize),
        ("bytes queued before the state stream is reset", limits::BACKLOG_BYTES_MAX),
        ("streams a client may open, each kind", limits::STREAMS_PER_CONNECTION_MAX as usize),
        ("new connections from one /24 or /56, a second", limits::CONNECTS_PER_PREFIX_PER_SECOND as usize),
        ("live connections from one /24 or /56", limits::CONNECTIONS_PER_PREFIX_MAX),
    ];
    for (name, number) in numbers {
        check_line(&format!("| {name} | {} |", grouped(number)));
    }
}

// ---- the world of the examples ------------------------------------------------------------------

fn manifest() -> Arc<Manifest> {
    let field = |name: &str, kind, scale| (name.to_owned(), kind, scale);
    let layouts = vec![
        Layout::entity(),
        Layout::new(
            3,
            "Place",
            Visibility::Everyone,
            Sync::Interpolate,
            [field("x", FieldKind::I32, 256), field("y", FieldKind::I32, 256), field("facing", FieldKind::F32, 1)],
        ),
        Layout::new(
            5,
            "Health",
            Visibility::Everyone,
            Sync::Plain,
            [field("points", FieldKind::U16, 1), field("shielded", FieldKind::Bool, 1)],
        ),
        Layout::new(9, "Purse", Visibility::Owner, Sync::Plain, [field("gold", FieldKind::U32, 1)]),
    ];
    let rejections = vec![Rejection { code: 256, name: "too-far".to_owned() }];
    Arc::new(Manifest::new("example", 1, 30_000, layouts, rejections, &[]).unwrap())
}

fn place(x: i32, y: i32, facing: f32) -> Vec<u8> {
    [x.to_le_bytes(), y.to_le_bytes(), facing.to_le_bytes()].concat()
}

fn health(points: u16, is_shielded: bool) -> Vec<u8> {
    [&points.to_le_bytes()[..], &[u8::from(is_shielded)]].concat()
}

fn write(columns: &mut Columns, writer: &mut Writer, index: usize, rows: &[(u32, Vec<u8>)], removed: &[u32]) {
    let present: Vec<_> = rows.iter().enumerate().map(|(place, (id, _))| (*id, place as u32)).collect();
    let bytes: Vec<u8> = rows.iter().flat_map(|(_, row)| row.clone()).collect();
    writer.component(columns, index, &present, &bytes, removed);
}

fn at_tick_41() -> (Columns, Writer) {
    let (mut columns, mut writer) = (Columns::new(manifest()), Writer::new());
    let word = |number: u32| number.to_le_bytes().to_vec();
    writer.begin(&mut columns, &[]);
    write(&mut columns, &mut writer, 0, &[(1, word(1)), (2, word(0)), (5, word(2))], &[]);
    let places = [(1, place(100, -200, 1.5)), (2, place(0, 0, 0.0)), (5, place(70_000, -1, -2.0))];
    write(&mut columns, &mut writer, 1, &places, &[]);
    write(&mut columns, &mut writer, 2, &[(1, health(300, true)), (5, health(100, false))], &[]);
    write(&mut columns, &mut writer, 3, &[(1, word(50)), (5, word(9))], &[]);
    (columns, writer)
}

/// Entity 2 is gone, entity 7 is new, entity 1 moved and changed, entity 5 lost its health.
fn to_tick_42(columns: &mut Columns, writer: &mut Writer) {
    let word = |number: u32| number.to_le_bytes().to_vec();
    writer.begin(columns, &[2]);
    write(columns, writer, 0, &[(1, word(1)), (5, word(2)), (7, word(2))], &[2]);
    let places = [(1, place(90, -200, 0.25)), (5, place(70_000, -1, -2.0)), (7, place(-3, 4, 0.0))];
    write(columns, writer, 1, &places, &[2]);
    write(columns, writer, 2, &[(1, health(65_535, true))], &[5]);
    write(columns, writer, 3, &[(1, word(40)), (5, word(8))], &[]);
}

fn is_player_1s(columns: &Columns) -> impl Fn(EntityId) -> bool + use<> {
    let columns = columns.clone();
    move |entity| columns.owner(entity) == Some(1)
}

// ---- how README.md is read ------------------------------------------------------------------------

fn check_bytes(golden: &str, found: &[u8]) {
    let found = hex(found);
    assert_eq!(found, golden);
    let is_spelled = without_spaces(README).contains(&found) || annotated().contains(&found);
    assert!(is_spelled, "README.md lacks {found}");
}

fn check_number(golden: u64, found: u64) {
    assert_eq!(found, golden, "found {found:#018x}");
    assert!(README.contains(&format!("{found:#018x}")), "README.md lacks {found:#018x}");
}

fn check_line(line: &str) {
    assert!(README.lines().any(|found| found.starts_with(line)), "README.md lacks the line {line}");
}

/// Every row that everyone may see stands in a table, with its hash.
fn check_rows(columns: &Columns) {
    for (index, layout) in columns.manifest().layouts().iter().enumerate() {
        for (id, row) in columns.column(index).iter().filter(|_| layout.visibility == Visibility::Everyone) {
            let hash = row_hash(id.0, layout.number, row);
            check_line(&format!("| {id} | {} | `{}` | `{hash:#018x}` |", layout.number, hex(row)));
        }
    }
}

/// The bytes of each block whose lines are bytes, two spaces, and what they mean.
fn annotated() -> Vec<String> {
    let blocks = README.split("```bytes\n").skip(1).filter_map(|rest| rest.split("```").next());
    let bytes = |line: &str| without_spaces(line.split("  ").next().unwrap_or_default());
    blocks.map(|block| block.lines().map(bytes).collect()).collect()
}

fn without_spaces(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_whitespace()).collect()
}

fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let group = |(place, digit): (usize, char)| {
        let comma = place > 0 && (digits.len() - place).is_multiple_of(3);
        comma.then_some(',').into_iter().chain([digit])
    };
    digits.chars().enumerate().flat_map(group).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}
