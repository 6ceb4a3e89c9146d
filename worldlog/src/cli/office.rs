//! Asks a running process over HTTP.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::Args;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{Method, Request, header};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

use super::members::{Members, configs_below};
use super::{Failure, runtime};
use crate::config::Config;
use crate::registry::{find_by_data, find_by_http};

/// What a verb is about: a data folder, or members of a cluster.
#[derive(Debug, Args)]
pub(super) struct Source {
    /// The data folder
    #[arg(long, env = "WORLDLOG_DATA", default_value = "worldlog-data")]
    pub(super) data: PathBuf,
    /// Instead: the folder of a member of a cluster, or that of a whole `worldlog cluster`
    #[arg(long, visible_alias = "cluster")]
    member: Option<PathBuf>,
}

impl Source {
    /// The members, when it is about any.
    pub(super) fn members(&self) -> Result<Option<Members>, Failure> {
        self.member.as_deref().map(Members::below).transpose()
    }
}

/// How a running process is found.
#[derive(Debug, Args)]
pub(super) struct Where {
    #[command(flatten)]
    pub(super) source: Source,
    /// Its HTTP address, instead of a folder
    #[arg(long, conflicts_with = "member")]
    http: Option<SocketAddr>,
}

/// A process that can be asked.
pub(super) struct Office {
    http: SocketAddr,
    /// Where the key is for what changes something.
    data: Option<PathBuf>,
}

impl Where {
    /// The process, if one runs.
    pub(super) fn find(&self) -> Option<Office> {
        match (self.http, &self.source.member) {
            (Some(http), _) => Some(Office { http, data: find_by_http(http).map(|running| running.data) }),
            (None, Some(cluster)) => edges_below(cluster).ok()?.into_iter().find_map(|(_, office)| office),
            (None, None) => Office::of(&self.source.data),
        }
    }

    /// The process, which must run.
    pub(super) fn require(&self) -> Result<Office, Failure> {
        self.find().ok_or_else(|| {
            Failure::Failed(match &self.source.member {
                Some(cluster) => format!(
                    "no edge runs in a folder below {}; start the cluster, or name an edge with --data or --http",
                    cluster.display()
                ),
                None => format!(
                    "no process runs on {}; start one with `worldlog dev --data {0}`, or name another with --data or \
                     --http",
                    self.source.data.display()
                ),
            })
        })
    }
}

/// The edges of a cluster on this machine by name, with how to ask those that run.
pub(super) fn edges_below(cluster: &Path) -> Result<Vec<(String, Option<Office>)>, Failure> {
    let edges = configs_below(cluster)?.into_iter().filter_map(|(_, config)| config.edge);
    Ok(edges.map(|edge| (edge.name.clone(), Office::of(&edge.dir))).collect())
}

/// Says so when a folder that is to be read is not there.
pub(super) fn existing(data: &Path) -> Result<&Path, Failure> {
    if data.is_dir() {
        return Ok(data);
    }
    Err(Failure::Failed(format!(
        "{}: no such folder; name the data folder of a `worldlog dev` with --data",
        data.display()
    )))
}

impl Office {
    /// The process that runs on a folder, if one does.
    fn of(data: &Path) -> Option<Self> {
        find_by_data(data).map(|running| Self { http: running.http, data: Some(running.data) })
    }

    pub(super) fn get(&self, path: &str) -> Result<Value, Failure> {
        self.ask(Method::GET, path, None)
    }

    /// Asks for something that changes the process.
    pub(super) fn change(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, Failure> {
        self.ask(method, path, body)
    }

    fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, Failure> {
        let mut request = Request::builder().method(&method).uri(path).header(header::HOST, self.http.to_string());
        if method != Method::GET {
            request = request.header(header::AUTHORIZATION, format!("Bearer {}", self.admin_key()?));
        }
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let bytes = body.map(|body| Bytes::from(body.to_string())).unwrap_or_default();
        let request = request.body(Full::new(bytes)).map_err(|error| Failure::Failed(error.to_string()))?;
        let unreachable = |error: String| Failure::Failed(format!("http://{}{path}: {error}; does it run?", self.http));
        let (status, answer) = runtime()?.block_on(exchange(self.http, request)).map_err(unreachable)?;
        let value: Value = serde_json::from_slice(&answer).unwrap_or_default();
        if status.is_success() {
            return Ok(value);
        }
        let said = value["error"].as_str().map_or_else(|| status.to_string(), str::to_owned);
        Err(Failure::Failed(said))
    }

    fn admin_key(&self) -> Result<String, Failure> {
        let data = self.data.as_deref().ok_or_else(|| {
            Failure::Failed("this needs the key in the process's data folder; name it with --data".to_owned())
        })?;
        // An edge is told where its keys are.
        let edge = Config::load(&data.join("worldlog.toml")).ok().and_then(|config| config.edge);
        let path = edge.map_or_else(|| data.join("keys").join("admin.key"), |edge| edge.admin_key_file);
        std::fs::read_to_string(&path)
            .map(|key| key.trim().to_owned())
            .map_err(|error| Failure::Failed(format!("{}: {error}", path.display())))
    }
}

async fn exchange(address: SocketAddr, request: Request<Full<Bytes>>) -> Result<(hyper::StatusCode, Bytes), String> {
    let socket = TcpStream::connect(address).await.map_err(|error| error.to_string())?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(socket)).await.map_err(|error| error.to_string())?;
    tokio::spawn(connection);
    let answer = sender.send_request(request).await.map_err(|error| error.to_string())?;
    let status = answer.status();
    let body = answer.into_body().collect().await.map_err(|error| error.to_string())?;
    Ok((status, body.to_bytes()))
}
