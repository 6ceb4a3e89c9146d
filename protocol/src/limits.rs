//! Every bound, in one place. Their relations are asserted when this crate is compiled.

// ---- frames ---------------------------------------------------------------------------------

/// Longest frame an edge accepts from a client, without its length prefix. Raising it lets one
/// player make an edge hold more memory before anything is checked.
pub const CLIENT_FRAME_BYTES_MAX: usize = 4 * 1024;
/// Longest frame a client accepts from an edge: a baseline of [`ENTITIES_MAX`] entities fits.
pub const SERVER_FRAME_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Longest message into the log. One Aeron message of default term length holds it.
pub const INGRESS_BYTES_MAX: usize = 1024 * 1024;
/// Nesting of tables in a frame of a client.
pub const CLIENT_FRAME_DEPTH_MAX: usize = 8;
/// Tables in a frame of a client: the root, the message, one for each command.
pub const CLIENT_FRAME_TABLES_MAX: usize = 64;
/// What a frame of a client may claim to hold when shared parts are counted each time.
pub const CLIENT_FRAME_APPARENT_BYTES_MAX: usize = 16 * 1024;

// ---- commands -------------------------------------------------------------------------------

/// Longest game command.
pub const COMMAND_BYTES_MAX: usize = 512;
/// Commands of one session without an outcome. The ring of outcomes holds as many, so whatever a
/// client may still ask about can be answered.
pub const COMMANDS_UNACKED_MAX: usize = 32;
/// Outcomes the service keeps for each session.
pub const OUTCOME_RING: usize = 32;
/// Commands in one frame of a client.
pub const COMMANDS_PER_FRAME_MAX: usize = COMMANDS_UNACKED_MAX;
/// Commands that one session may have run in one tick; the rest of a burst is rejected by the
/// service with [`crate::OutcomeCode::TOO_MANY`], on every member alike.
pub const COMMANDS_PER_TICK_MAX: usize = COMMANDS_UNACKED_MAX;
/// Nesting of tables in a game command.
pub const COMMAND_DEPTH_MAX: usize = 8;
/// Tables in a game command.
pub const COMMAND_TABLES_MAX: usize = 16;

// ---- words of a client ------------------------------------------------------------------------

/// Longest join token, as text.
pub const TOKEN_BYTES_MAX: usize = 2 * 1024;
/// Longest account name in a token.
pub const ACCOUNT_BYTES_MAX: usize = 64;
/// Longest program name in a hello.
pub const CLIENT_NAME_BYTES_MAX: usize = 64;
/// A resume secret.
pub const SECRET_BYTES: usize = 32;
/// Secrets given out for one that was used, of which the client may hold any: each answer that
/// carries one may get lost or be late. The oldest is forgotten.
pub const SECRETS_OFFERED_MAX: usize = 8;
/// What the log holds of a resume secret (SHA-256).
pub const SECRET_HASH_BYTES: usize = 32;
/// Public half of the key by which edges prove that they are ours (Ed25519).
pub const EDGE_KEY_BYTES: usize = 32;
/// An edge's proof: one signature (Ed25519).
pub const EDGE_PROOF_BYTES: usize = 64;
/// Longest name of an edge; members write it into their logs.
pub const EDGE_NAME_BYTES_MAX: usize = 64;
/// The nonce of a join token.
pub const NONCE_BYTES: usize = 16;

// ---- matches ----------------------------------------------------------------------------------

/// Entities alive in one match.
pub const ENTITIES_MAX: usize = 1_000_000;
/// Components (replicated kinds) of one game.
pub const COMPONENTS_MAX: usize = 256;
/// Fields of one component; a row's mask is one 64-bit word.
pub const FIELDS_MAX: usize = 64;
/// Longest name of a game, component, field or rejection in a manifest.
pub const NAME_BYTES_MAX: usize = 64;
/// Longest manifest.
pub const MANIFEST_BYTES_MAX: usize = 1024 * 1024;
/// Axes of a place.
pub const INTEREST_AXES_MAX: usize = 3;
/// Farthest that players hear, in numbers of the fields: with the margin, squares of distances fit 64 bits.
pub const INTEREST_REACH_MAX: u32 = 1 << 30;
/// Widest margin in which an entity that is seen stays so.
pub const INTEREST_MARGIN_MAX: u32 = 1 << 30;
/// Content (maps, balance) of one match.
pub const CONTENT_BYTES_MAX: usize = 512 * 1024;
/// State that a match may begin with, as the bytes of a keyframe: some ten thousand entities.
pub const OPEN_KEYFRAME_BYTES_MAX: usize = 448 * 1024;
/// Longest label of a match.
pub const LABEL_BYTES_MAX: usize = 64;
/// Matches open at once in one service.
pub const MATCHES_MAX: usize = 1_024;
/// Players in one match.
pub const PLAYERS_PER_MATCH_MAX: usize = 1_024;
/// Sessions of one service.
pub const SESSIONS_MAX: usize = 65_536;
/// Fastest tick rate, in ticks per 1,000 seconds.
pub const TICK_MILLIHERTZ_MAX: u32 = 240_000;

// ---- updates ----------------------------------------------------------------------------------

/// Ticks back to what an update's rows may differ from. Raising it costs clients memory: they hold the values that
/// each row had in twice as many ticks.
pub const BASE_AGE_TICKS_MAX: u32 = 63;
/// Parts of the updates of one tick; what does not fit waits for the next.
pub const UPDATE_PARTS_MAX: usize = 16;
/// Longest update: a packet of the smallest network that QUIC admits holds it.
pub const UPDATE_PACKET_BYTES_MAX: usize = 1_150;
/// Bytes of the updates of one tick for one player, on the best of networks; what does not fit waits for the next.
/// Raising it shows more of a crowd at once, and costs the player's line as much a tick.
pub const UPDATE_TICK_BYTES_MAX: usize = 8 * 1024;
/// Datagrams of earlier ticks than the last that may wait for the network before a player is told nothing for a tick:
/// what is told then is newer.
pub const DATAGRAMS_WAIT_MAX: usize = 2;
/// Ticks in a row for which a player may be told nothing for that reason. How much waits is known from what the player
/// acknowledges, so if all that waited is lost nobody would hear that it waits no more.
pub const HELD_BACK_TICKS_MAX: u32 = 4;
/// Views that one thread writes; an edge takes further threads for more. Waking a thread costs as much as some fifty
/// views, and one that was woken looks for more work for a while.
pub const VIEWS_A_THREAD: usize = 256;
/// Longest that an update waits for its acknowledgement when a command is about to take it along, in milliseconds.
pub const ACK_RIDE_MS: u64 = 100;
/// Longest that it waits otherwise, in milliseconds.
pub const ACK_WAIT_MS: u64 = 50;
/// Threads of one edge that move packets.
pub const EDGE_THREADS_MAX: usize = 64;
/// Longest summary of what a mirror holds; with the rest of a Resume it fits a frame of a client.
pub const HELD_BYTES_MAX: usize = 3 * 1024;

// ---- edge -------------------------------------------------------------------------------------

/// Bytes that may wait for one player before the state stream is replaced by a baseline.
pub const BACKLOG_BYTES_MAX: usize = 256 * 1024;
/// Connections waiting for the endpoint to look at them.
pub const INCOMING_MAX: usize = 1_024;
/// Memory for the first packets of connections that are not accepted yet.
pub const INCOMING_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// What is sent to an address that may be forged, times what came from it (RFC 9000, section 8.1).
pub const AMPLIFICATION_MAX: u64 = 3;
/// Shortest first packet of a connection (RFC 9000, section 14.1).
pub const FIRST_PACKET_BYTES_MIN: u64 = 1_200;
/// Handshakes in flight above which addresses must be validated first (Retry).
pub const HANDSHAKES_BEFORE_RETRY: usize = 256;
/// Live connections of one edge, unless an operator sets another number.
pub const CONNECTIONS_MAX: usize = 8_192;
/// Most that an operator may set.
pub const CONNECTIONS_CEILING: usize = 64 * 1024;
/// Address prefixes that an edge keeps counts of; 48 bytes each.
pub const PREFIXES_MAX: usize = 64 * 1024;
/// Live connections from one address prefix (/24 or /56).
pub const CONNECTIONS_PER_PREFIX_MAX: usize = 1_024;
/// New connections a second from one prefix, sustained.
pub const CONNECTS_PER_PREFIX_PER_SECOND: u32 = 100;
/// Most that an operator may set.
pub const CONNECTS_PER_PREFIX_PER_SECOND_CEILING: u32 = 10_000;
/// New connections from one prefix at once.
pub const CONNECTS_PER_PREFIX_BURST: u32 = 512;
/// Streams a client may have open, of each kind.
pub const STREAMS_PER_CONNECTION_MAX: u32 = 4;
/// Flow control window of one stream.
pub const STREAM_WINDOW_BYTES: u32 = 64 * 1024;
/// Flow control window of one connection.
pub const CONNECTION_WINDOW_BYTES: u32 = 256 * 1024;
/// Bytes QUIC may hold for sending on one connection.
pub const SEND_WINDOW_BYTES: u64 = 128 * 1024;
/// Bytes of players' packets that an edge's socket holds while the edge is busy, if the system allows it; each is counted
/// with some 700 more. Players speak just after a tick, all at once, which is when the edge writes to all of them: what
/// systems give unasked is full after 300 packets, and the rest is lost.
pub const SOCKET_RECEIVE_BYTES: usize = 4 * 1024 * 1024;
/// Until the QUIC handshake must be done.
pub const HANDSHAKE_MS_MAX: u64 = 3_000;
/// Round trip that a new connection is taken to have, in milliseconds. What is lost before the first is measured is sent
/// again after three of them, then after twice that, and so on. RFC 9002, section 6.2.2, would have 333: then the time of a
/// handshake has room for one more try, and at a fifth lost one player in thirty does not get in. This has room for three;
/// who is farther away sends a packet twice.
pub const INITIAL_RTT_MS: u64 = 100;
/// From then until hello and token must have arrived.
pub const HELLO_MS_MAX: u64 = 2_000;
/// Silence after which a connection is given up.
pub const IDLE_MS_MAX: u64 = 10_000;
/// Frames a second from one client, sustained.
pub const FRAMES_PER_SECOND: u32 = 120;
/// Most that an operator may set.
pub const FRAMES_PER_SECOND_CEILING: u32 = 1_000;
/// Frames from one client at once.
pub const FRAMES_BURST: u32 = 240;
/// Longest datagram an edge reads from a client; acknowledgements are shorter.
pub const CLIENT_DATAGRAM_BYTES_MAX: usize = 256;
/// Datagrams a second from one client, sustained: an acknowledgement of every second part of an update, and as many more.
pub const DATAGRAMS_PER_SECOND: u32 = 240;
/// Most that an operator may set.
pub const DATAGRAMS_PER_SECOND_CEILING: u32 = 2_000;
/// Datagrams from one client at once: what a network may hold back for two seconds and then deliver.
pub const DATAGRAMS_BURST: u32 = 480;
/// Bytes of datagrams from one client that QUIC holds until they are looked at; beyond it the oldest are dropped.
pub const DATAGRAM_RECEIVE_BYTES: usize = 16 * 1024;
/// Bytes of datagrams to one client that QUIC holds until the network takes them; beyond it the oldest are dropped.
/// Raising it makes what a slow player is told older.
pub const DATAGRAM_SEND_BYTES: usize = 64 * 1024;
/// Baselines a client may ask for in a second.
pub const RESYNCS_PER_SECOND: u32 = 1;
/// Baselines a client may ask for at once.
pub const RESYNCS_BURST: u32 = 4;
/// Commands waiting at an edge before they are sent on without waiting for more.
pub const UPLINK_BATCH_BYTES: usize = 1_200;
/// Longest wait of a command for others to share its message into the log.
pub const UPLINK_WAIT_MS_MAX: u64 = 1;
/// Things that happened to connections and that the edge has not looked at; beyond it their tasks wait.
pub const EDGE_EVENTS_MAX: usize = 1_024;
/// Wait before a message that the cluster did not take is offered again.
pub const OFFER_AGAIN_MS: u64 = 1;
/// Wait before a cluster session is opened again; doubles with each that fails.
pub const RELINK_MS: u64 = 50;
/// Longest such wait.
pub const RELINK_MS_MAX: u64 = 2_000;
/// Messages between an edge and the thread of its cluster session, each way. What comes in beyond it stays in the
/// network, where it holds back this edge's stream and no other.
pub const LINK_BACKLOG_MAX: usize = 1_024;
/// How long an edge without a cluster session keeps its players before it sends them to other edges: as long as most
/// clusters take to be there again.
pub const LINK_HOLD_MS_MAX: u64 = 5_000;
/// Joins and resumes of one edge without an answer, those of players who are gone included.
pub const REQUESTS_MAX: usize = 2 * CONNECTIONS_MAX;
/// Questions of others than players that wait for an answer at one edge.
pub const QUESTIONS_MAX: usize = 64;
/// Contents of matches that an edge keeps for browsers, each of [`CONTENT_BYTES_MAX`] at most.
pub const CONTENTS_KEPT_MAX: usize = 64;
/// Bytes that wait for a cluster that does not keep up before players are sent away.
pub const UPLINK_BACKLOG_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Bytes that may wait on a control stream before pings are no longer answered.
pub const CONTROL_BACKLOG_BYTES_MAX: usize = 16 * 1024;
/// Until the log must have answered a join, a resume or a leave.
pub const LOG_ANSWER_MS_MAX: u64 = 10_000;
/// How long a player who saw more than this edge waits for it to catch up.
pub const BEHIND_MS_MAX: u64 = 500;
/// How long a match without players stays watched.
pub const UNWATCH_MS: u64 = 5_000;
/// Time between two baselines of one match that an edge asks for because its mirror was wrong.
pub const REWATCH_MS: u64 = 1_000;
/// How long a closing connection may take to hand over its last words.
pub const LINGER_MS_MAX: u64 = 250;

// ---- service ------------------------------------------------------------------------------------

/// Life of a join token, from issue to redemption.
pub const TOKEN_SECONDS_MAX: u64 = 60;
/// How far the clocks of who issues tokens, of edges and of members may differ.
pub const TOKEN_CLOCK_SLACK_MS: i64 = 5_000;
/// How far the clock of members may be set back, all steps together, without a token that was redeemed being good again.
pub const CLOCK_BACK_MS_MAX: i64 = 600_000;
/// How long a session without a connection waits to be resumed, in log time.
pub const SESSION_EXPIRY_MS: i64 = 60_000;
/// How often sessions are looked at for expiry, in log time.
pub const EXPIRY_CHECK_MS: i64 = 1_000;
/// Ticks between keyframe barriers of a match that steps on command.
pub const ON_COMMAND_BARRIER_TICKS: u64 = 256;
/// Seconds between keyframe barriers of a match with a rate.
pub const BARRIER_SECONDS: u64 = 10;
/// Largest part of a snapshot or match file, unpacked; a keyframe of [`ENTITIES_MAX`] entities fits.
pub const CHUNK_BYTES_MAX: usize = 256 * 1024 * 1024;
/// Messages that may wait for the local host before an edge is told to slow down.
pub const HOST_BACKLOG_MAX: usize = 16 * 1024;
/// Messages of the local host that may wait for an edge before its session is closed: two minutes of ticks of one
/// match at 30 Hz.
pub const EGRESS_BACKLOG_MAX: usize = 4 * 1024;
/// Longest message of the service in one Aeron message; longer ones travel in parts. An egress channel holds it whose
/// term is eight times as long, rounded up to a power of two: [`EGRESS_TERM_BYTES_MIN`]. Raising it costs every edge
/// and the leader three terms of shared memory each.
pub const EGRESS_PART_BYTES_MAX: usize = 256 * 1024;
/// Shortest term of a channel on which an edge may ask to be answered.
pub const EGRESS_TERM_BYTES_MIN: usize = 4 * 1024 * 1024;
/// Bytes that the leader holds for an edge that does not take them; beyond it the edge's cluster session is closed, and
/// its players resume through a new one. A longest baseline and deltas behind it fit. Costs the leader as much memory
/// for each edge that is behind.
pub const EGRESS_BACKLOG_BYTES_MAX: usize = SERVER_FRAME_BYTES_MAX + 16 * 1024 * 1024;
/// Ticks of a match between two reports of its state hash by each member: how long a divergence stays unnoticed.
pub const HASH_REPORT_TICKS: u64 = 64;
/// Ticks of a match whose hash reports are kept for comparison.
pub const HASH_REPORTS_KEPT: usize = 8;
/// Members whose hash reports are told apart.
pub const MEMBERS_MAX: usize = 16;
/// Bytes of entries that are written to the local log at once; more wait for the next write.
pub const LOG_BATCH_BYTES: usize = 4 * 1024 * 1024;
/// Longest time that commands wait for the tick that runs them before they are written to the log alone.
pub const LOG_HOLD_MS_MAX: i64 = 100;
/// Largest entry frame of the local log.
pub const LOG_FRAME_BYTES_MAX: u32 = 16 * 1024 * 1024;

const _: () = {
    assert!(OUTCOME_RING >= COMMANDS_UNACKED_MAX, "a resent command must find its outcome");
    assert!(COMMAND_BYTES_MAX < CLIENT_FRAME_BYTES_MAX, "a command must fit a frame");
    assert!(TOKEN_BYTES_MAX < CLIENT_FRAME_BYTES_MAX, "a token must fit a frame");
    assert!(CLIENT_FRAME_TABLES_MAX >= COMMANDS_PER_FRAME_MAX + 2, "a full frame must pass the verifier");
    assert!(CLIENT_FRAME_BYTES_MAX <= CLIENT_FRAME_APPARENT_BYTES_MAX);
    assert!(CLIENT_FRAME_BYTES_MAX <= STREAM_WINDOW_BYTES as usize, "a frame must fit its stream's window");
    assert!(STREAM_WINDOW_BYTES <= CONNECTION_WINDOW_BYTES);
    assert!(FRAMES_BURST == 2 * FRAMES_PER_SECOND && DATAGRAMS_BURST == 2 * DATAGRAMS_PER_SECOND, "as edges set them");
    assert!(CLIENT_DATAGRAM_BYTES_MAX < DATAGRAM_RECEIVE_BYTES, "a datagram must fit what holds it");
    assert!(SEND_WINDOW_BYTES < BACKLOG_BYTES_MAX as u64, "what QUIC holds is part of what waits");
    assert!(CONNECTIONS_MAX <= CONNECTIONS_CEILING && CONNECTIONS_CEILING <= PREFIXES_MAX, "who is connected is known");
    assert!(LINK_HOLD_MS_MAX < LOG_ANSWER_MS_MAX, "who waits for the log is sent on before that is an error");
    assert!((LINK_HOLD_MS_MAX as i64) < SESSION_EXPIRY_MS, "sessions outlive the wait of their edge");
    assert!(
        CONTENT_BYTES_MAX + OPEN_KEYFRAME_BYTES_MAX + 4 * PLAYERS_PER_MATCH_MAX + LABEL_BYTES_MAX + 1024
            < INGRESS_BYTES_MAX,
        "a match must open with one message"
    );
    assert!(CLIENT_FRAME_BYTES_MAX < INGRESS_BYTES_MAX);
    assert!(LOG_BATCH_BYTES + 2 * INGRESS_BYTES_MAX < LOG_FRAME_BYTES_MAX as usize);
    assert!(8 * (EGRESS_PART_BYTES_MAX + 64) <= EGRESS_TERM_BYTES_MIN, "a part must fit an eighth of a term");
    assert!(HELD_BYTES_MAX + 512 <= CLIENT_FRAME_BYTES_MAX, "a summary fits a Resume");
    assert!(FIELDS_MAX <= 64, "a mask is one word");
    assert!(
        (INTEREST_REACH_MAX as u64 + INTEREST_MARGIN_MAX as u64).pow(2) <= u64::MAX / INTEREST_AXES_MAX as u64,
        "the square of a distance fits a word"
    );
    assert!(PLAYERS_PER_MATCH_MAX <= SESSIONS_MAX);
    assert!(FRAMES_PER_SECOND as u64 * 1_000 >= TICK_MILLIHERTZ_MAX as u64 / 2, "a frame each other tick must pass");
};
