//! The places where the admin API is reached.

use std::fs::Permissions;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener as StdUnixListener, UnixStream as StdUnixStream};
use std::path::{Path, PathBuf};

use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use tokio::net::{TcpListener, UnixListener};

/// Owner and group may connect, which takes the right to write.
const MODE: u32 = 0o660;
const BACKLOG: i32 = 128;

/// Why nobody can ask there.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    #[error("admin socket {}: another process serves there; stop it, or write another admin.socket", .0.display())]
    Taken(PathBuf),
    #[error("admin socket {}: there is a file that is no socket; remove it", .0.display())]
    NoSocket(PathBuf),
    #[error("admin socket {}: {error}", .path.display())]
    Socket { path: PathBuf, error: io::Error },
    #[error("{what}: cannot bind {bind}: {error}")]
    Address {
        what: &'static str,
        bind: SocketAddr,
        error: io::Error,
    },
}

/// The file of an open socket, removed at the end.
pub(super) struct SocketFile(PathBuf);

impl SocketFile {
    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // What stays of it is replaced at the next start.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Takes the place of a dead process's socket, not of a living one's.
pub(super) fn bind_file(path: &Path) -> Result<(SocketFile, UnixListener), ListenError> {
    clear(path)?;
    let failed = |error| ListenError::Socket {
        path: path.to_owned(),
        error,
    };
    let listener = listen(path).map_err(failed)?;
    let file = SocketFile(path.to_owned());
    listener.set_nonblocking(true).map_err(failed)?;
    let listener = UnixListener::from_std(listener).map_err(failed)?;
    Ok((file, listener))
}

fn clear(path: &Path) -> Result<(), ListenError> {
    let failed = |error| ListenError::Socket {
        path: path.to_owned(),
        error,
    };
    let metadata = match std::fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
    };
    if !metadata.file_type().is_socket() {
        return Err(ListenError::NoSocket(path.to_owned()));
    }
    match StdUnixStream::connect(path) {
        Ok(_) => Err(ListenError::Taken(path.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            std::fs::remove_file(path).map_err(failed)
        }
        Err(error) => Err(failed(error)),
    }
}

/// The permissions are set before it listens: in between nobody can connect.
fn listen(path: &Path) -> io::Result<StdUnixListener> {
    let socket = rustix::net::socket_with(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::CLOEXEC,
        None,
    )?;
    rustix::net::bind(&socket, &SocketAddrUnix::new(path)?)?;
    std::fs::set_permissions(path, Permissions::from_mode(MODE))?;
    rustix::net::listen(&socket, BACKLOG)?;
    Ok(socket.into())
}

pub(super) fn bind_address(
    what: &'static str,
    bind: SocketAddr,
) -> Result<TcpListener, ListenError> {
    let open = || {
        // Sets SO_REUSEADDR, so that a restart does not wait for old connections.
        let listener = std::net::TcpListener::bind(bind)?;
        listener.set_nonblocking(true)?;
        TcpListener::from_std(listener)
    };
    open().map_err(|error| ListenError::Address { what, bind, error })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_dead_socket_is_replaced_and_a_living_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.sock");
        drop(StdUnixListener::bind(&path).unwrap());
        let (file, _listener) = bind_file(&path).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, MODE);
        assert!(matches!(bind_file(&path), Err(ListenError::Taken(_))));
        drop(file);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn a_file_of_another_kind_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notes.txt");
        std::fs::write(&path, "mine").unwrap();
        assert!(matches!(bind_file(&path), Err(ListenError::NoSocket(_))));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
        let nowhere = folder.path().join("no").join("admin.sock");
        assert!(matches!(
            bind_file(&nowhere),
            Err(ListenError::Socket { .. })
        ));
    }
}
