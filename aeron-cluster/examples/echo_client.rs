//! Talks to a cluster whose service echoes: sends a number every 10 ms, counts answers, and says what happens.
//!
//! `echo_client AERON_DIR 0=host:port,1=host:port EGRESS_ENDPOINT SECONDS`

use std::time::Duration;

use aeron_cluster::client::{ClientConfig, ClientEvent, ClusterClient};
use aeron_cluster::transport::Transport;
use aeron_cluster::transport::aeron::{AeronConfig, AeronTransport};

#[expect(clippy::print_stdout, reason = "what it says is its answer")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [dir, members, egress, seconds] = &arguments[..] else {
        return Err("usage: echo_client AERON_DIR 0=host:port,1=host:port EGRESS_ENDPOINT SECONDS".into());
    };
    let members = members.split(',').filter_map(|member| member.split_once('='));
    let endpoints: Result<_, std::num::ParseIntError> =
        members.map(|(id, endpoint)| Ok((id.parse()?, endpoint.to_owned()))).collect();
    let mut transport = AeronTransport::connect(&AeronConfig::new(dir))?;
    let mut client = ClusterClient::new(ClientConfig {
        endpoints: endpoints?,
        egress_channel: format!("aeron:udp?endpoint={egress}|term-length=64k"),
        ..ClientConfig::default()
    });
    let (mut sent, mut answered, mut last, mut is_open) = (0u64, 0u64, None, true);
    let begin = transport.now();
    let mut next = begin;
    let end = begin + Duration::from_secs(seconds.parse()?);
    while is_open {
        let now = transport.now();
        let mut work = client.poll(&mut transport, &mut |event| match event {
            ClientEvent::Message { payload, .. } => {
                answered += 1;
                last = payload.first_chunk().map(|number| u64::from_le_bytes(*number));
            }
            other => {
                println!("{:?}: {other:?}, {answered} answers, the last to {last:?}", now - begin);
                is_open = !matches!(other, ClientEvent::Closed { .. });
            }
        })?;
        if now >= end {
            client.close();
        } else if client.is_connected() && now >= next && client.offer(&[&sent.to_le_bytes()]).is_ok() {
            (sent, next, work) = (sent + 1, now + Duration::from_millis(10), work + 1);
        }
        transport.idle(work)?;
    }
    println!("{sent} sent, {answered} answered");
    Ok(())
}
