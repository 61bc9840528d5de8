//! A stream whose reader must keep up.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// Fails a write when what was written before has not all been taken by the system within a time. A client that reads
/// its answer a byte at a time would otherwise hold the answer's memory for ever.
#[derive(Debug)]
pub(crate) struct TimedIo<S> {
    stream: S,
    limit: Duration,
    /// Runs from the first write that has to wait until everything is flushed.
    deadline: Pin<Box<Sleep>>,
    running: bool,
}

impl<S> TimedIo<S> {
    pub(crate) fn new(stream: S, limit: Duration) -> Self {
        Self { stream, limit, deadline: Box::pin(tokio::time::sleep(limit)), running: false }
    }

    fn timed<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            return written;
        }
        if !self.running {
            self.running = true;
            self.deadline.as_mut().reset(Instant::now() + self.limit);
        }
        ready!(self.deadline.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client does not read its answer")))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for TimedIo<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for TimedIo<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.timed(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.timed(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.running &= flushed.is_pending();
        self.timed(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.timed(cx, shut)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
    use tokio::time::{advance, timeout};

    use super::*;

    const LIMIT: Duration = Duration::from_secs(5);

    #[tokio::test(start_paused = true)]
    async fn gives_up_on_a_client_that_reads_a_byte_at_a_time() {
        let (mut client, server) = duplex(1_024);
        let mut server = TimedIo::new(server, LIMIT);
        let writer = tokio::spawn(async move {
            server.write_all(&[0; 100_000]).await?;
            server.flush().await
        });
        let started = Instant::now();
        while !writer.is_finished() {
            advance(Duration::from_millis(500)).await;
            let _ = timeout(Duration::from_millis(1), client.read_u8()).await;
            assert!(started.elapsed() < LIMIT * 2, "the writer goes on for ever");
        }
        assert_eq!(writer.await.unwrap().unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test(start_paused = true)]
    async fn lets_a_client_rest_between_answers() {
        let (mut client, server) = duplex(1_024);
        let mut server = TimedIo::new(server, LIMIT);
        let writer = tokio::spawn(async move {
            for _ in 0..3 {
                server.write_all(&[7; 4_096]).await?;
                server.flush().await?;
                tokio::time::sleep(LIMIT * 2).await;
            }
            io::Result::Ok(())
        });
        let mut all = vec![0; 3 * 4_096];
        client.read_exact(&mut all).await.unwrap();
        writer.await.unwrap().unwrap();
    }
}
