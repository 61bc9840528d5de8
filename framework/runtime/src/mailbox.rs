//! Messages between the runtime's threads: the standard library's channels, on which a simulated thread waits in the
//! simulator's time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::Duration;

pub(crate) use std::sync::mpsc::{RecvError, RecvTimeoutError, SendError, TryRecvError};

use super::host;

/// The sending side. The receiver learns when the last one is dropped.
#[derive(Debug)]
pub(crate) struct Sender<T> {
    /// Always there until the drop.
    inner: Option<mpsc::Sender<T>>,
    news: Arc<AtomicBool>,
}

/// The receiving side.
#[derive(Debug)]
pub(crate) struct Receiver<T> {
    inner: mpsc::Receiver<T>,
    /// Set by every change that a waiting receiver should look at.
    news: Arc<AtomicBool>,
}

#[expect(clippy::disallowed_methods, reason = "the one place that makes channels")]
pub(crate) fn channel<T>() -> (Sender<T>, Receiver<T>) {
    let (sender, inner) = mpsc::channel();
    let news = Arc::new(AtomicBool::new(false));
    (Sender { inner: Some(sender), news: news.clone() }, Receiver { inner, news })
}

impl<T> Sender<T> {
    pub(crate) fn send(&self, message: T) -> Result<(), SendError<T>> {
        let Some(inner) = &self.inner else { return Err(SendError(message)) };
        inner.send(message)?;
        self.news.store(true, Ordering::Release);
        Ok(())
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), news: self.news.clone() }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.inner = None;
        self.news.store(true, Ordering::Release);
    }
}

impl<T> Receiver<T> {
    pub(crate) fn try_recv(&self) -> Result<T, TryRecvError> {
        self.inner.try_recv()
    }

    pub(crate) fn recv(&self) -> Result<T, RecvError> {
        if host::scheduler().is_none() {
            return self.inner.recv();
        }
        self.recv_timeout(Duration::MAX).map_err(|_| RecvError)
    }

    pub(crate) fn recv_timeout(&self, timeout: Duration) -> Result<T, RecvTimeoutError> {
        let Some(scheduler) = host::scheduler() else { return self.inner.recv_timeout(timeout) };
        let until = scheduler.now().checked_add(timeout);
        loop {
            self.news.store(false, Ordering::Release);
            match self.inner.try_recv() {
                Ok(message) => return Ok(message),
                Err(TryRecvError::Disconnected) => return Err(RecvTimeoutError::Disconnected),
                Err(TryRecvError::Empty) if until.is_some_and(|until| scheduler.now() >= until) => {
                    return Err(RecvTimeoutError::Timeout);
                }
                Err(TryRecvError::Empty) => scheduler.wait(Some(&self.news), until),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_arrive_in_order_and_the_end_is_seen() {
        let (sender, receiver) = channel();
        let other = sender.clone();
        sender.send(1).unwrap();
        other.send(2).unwrap();
        drop((sender, other));
        assert_eq!((receiver.recv(), receiver.try_recv()), (Ok(1), Ok(2)));
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
        assert_eq!(receiver.recv_timeout(Duration::ZERO), Err(RecvTimeoutError::Disconnected));
    }

    #[test]
    fn a_receiver_that_is_gone_gives_the_message_back() {
        let (sender, receiver) = channel();
        drop(receiver);
        assert_eq!(sender.send(7), Err(SendError(7)));
    }
}
