//! The place of a file's state: locked, read once, and what a push does next by what lies there.
//!
//! Takes a file; gives its state and those that made way there to another batch of the file, for as long as nobody else pushes that file. A second push of it
//! waits, and then finds the first one's answer: two that made their keys at the same time would be two batches. What is written here is on the disk before
//! anything that depends on it is sent, and at no moment is a place empty in which something lay: a file without a state counts as never sent.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::batch::Batch;
use super::state::{ENDING, PushState, Standing, set_aside_of, state_path};
use super::undelivered::Undelivered;
use crate::command::exit::Failure;

mod lock;

use lock::Lock;

/// The place of one file's state, which is nobody else's until this is dropped.
#[derive(Debug)]
pub struct Place {
    path: PathBuf,
    there: Option<PushState>,
    /// Nothing made way in a place where nothing was: of most files of a drop folder there is nothing to look for.
    was_empty: bool,
    _lock: Lock,
}

/// A key that something is sent under now.
#[derive(Debug, PartialEq, Eq)]
pub struct Key {
    /// The key.
    pub key: String,
    /// It was sent under it before, and may have been taken.
    pub is_repeat: bool,
}

/// What to do for a batch.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// It was taken as this exchange: ask for that.
    Ask(String),
    /// Send it.
    Send,
    /// It was sent first at this moment, microseconds since 1970, and its answer is not to be had: sent again it could be taken twice.
    Unheard(i64),
}

impl Place {
    /// Waits so long for another push of this file, and reads what it left.
    ///
    /// # Errors
    /// [`Undelivered::Busy`]; [`Undelivered::OfFile`] when its state cannot be read; when nothing can be locked there.
    pub async fn take(file: &Path, folder: Option<&Path>, patience: Duration) -> Result<Self, Undelivered> {
        let path = state_path(file, folder);
        let lock = Lock::take(&path, patience).await?;
        let there = PushState::load(&path).map_err(Undelivered::OfFile)?;
        Ok(Self {
            was_empty: there.is_none(),
            there,
            path,
            _lock: lock,
        })
    }

    /// The state that lies there.
    pub fn there(&self) -> Option<&PushState> {
        self.there.as_ref()
    }

    /// Takes over the state of a version that named states in a folder by the file's name alone, when it is of this content.
    ///
    /// # Errors
    /// When it cannot be read or renamed.
    pub fn adopt_earlier(&mut self, file: &Path, folder: Option<&Path>, digest: &str) -> Result<(), Failure> {
        let (Some(folder), None) = (folder, &self.there) else {
            return Ok(());
        };
        let mut name = file.file_name().unwrap_or_default().to_owned();
        name.push(ENDING);
        let earlier = folder.join(name);
        match PushState::load(&earlier)?.filter(|state| state.digest == digest) {
            Some(state) => self.bring(&earlier, state),
            None => Ok(()),
        }
    }

    /// Renames that state to this place.
    ///
    /// # Errors
    /// When it cannot be renamed.
    pub fn bring(&mut self, from: &Path, state: PushState) -> Result<(), Failure> {
        crate::durable::rename(from, &self.path)
            .map_err(|error| Failure::local(format!("cannot rename `{}`", from.display())).because(error))?;
        (self.there, self.was_empty) = (Some(state), false);
        Ok(())
    }

    /// Brings back the state that made way there to another of the same file, when it is of this batch, which was sent, and the other is not. That one makes way
    /// in its turn.
    ///
    /// # Errors
    /// When a state cannot be read, written or renamed.
    pub fn bring_back(&mut self, batch: &Batch<'_>) -> Result<(), Failure> {
        let is_it = |state: &PushState| state.was_sent() && state.batch().is(batch);
        // In a drop folder most files are new, and to look through it for each would take the square of their number.
        let Some(there) = self.there.as_ref().filter(|there| !is_it(there)) else {
            return Ok(());
        };
        let found = set_aside_of(&self.path)?
            .into_iter()
            .find(|(_, state)| is_it(state) && !state.is_over(there));
        if let Some((aside, state)) = found {
            if !there.is_over(&state) {
                there.save(&there.aside(&self.path))?;
            }
            self.bring(&aside, state)?;
        }
        Ok(())
    }

    /// Forgets what is known of this batch, in its place and aside, wherever it was answered or its answer is not to be had: it goes as a batch of its own. Another
    /// key is kept: its batch may have been accepted all the same, and is the one that was asked for.
    ///
    /// A crash leaves the old state in its place, which is then forgotten anew, or the new key.
    ///
    /// # Errors
    /// When a state cannot be read, written or removed.
    pub fn begin_again(&mut self, batch: &Batch<'_>, now_us: i64) -> Result<(), Failure> {
        let is_had = |state: &PushState| match state.standing {
            // Of what was never answered he was told, whatever was stated besides.
            Standing::Told(_) => state.batch().meant() == batch.meant(),
            Standing::Sent(_) => state.batch().meant() == batch.meant() && state.unheard_since(now_us).is_some(),
            Standing::Unsent | Standing::Answered(_) | Standing::Refused => state.batch().is(batch),
        };
        for (aside, _) in set_aside_of(&self.path)?.iter().filter(|(_, state)| is_had(state)) {
            PushState::forget(aside)?;
        }
        if self.there.as_ref().is_some_and(is_had) {
            self.keep(PushState::new(batch))?;
        }
        Ok(())
    }

    /// What to do for this batch. What is not to be sent again is noted as told, because who asks is told of it now, and only then may throw its key away.
    ///
    /// # Errors
    /// When that cannot be written down.
    pub fn next(&mut self, batch: &Batch<'_>, now_us: i64) -> Result<Next, Failure> {
        let Some(there) = self.there.clone() else {
            return Ok(Next::Send);
        };
        if there.batch().meant() == batch.meant()
            && let Some(sent_us) = there.unheard_since(now_us)
        {
            self.keep(PushState {
                standing: Standing::Told(sent_us),
                ..there
            })?;
            return Ok(Next::Unheard(sent_us));
        }
        Ok(match there.standing {
            Standing::Answered(ref exchange) if there.batch().is_declared_as(batch) => Next::Ask(exchange.clone()),
            _ => Next::Send,
        })
    }

    /// Notes, and writes down, that this batch is sent now; gives its key. A crash after this and before the answer leaves the key on disk, so that the repeat is
    /// recognised. The state of another batch makes way, when its key is worth something: it lies beside this one under a name of its own, where `reconcile`
    /// names it, and a file of its content finds it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn sends(&mut self, batch: &Batch<'_>, now_us: i64) -> Result<Key, Failure> {
        let known = self.there.clone().filter(|there| there.batch().is_declared_as(batch));
        let is_known = known.is_some();
        let mut state = known.unwrap_or_else(|| PushState::new(batch));
        batch.content_type.clone_into(&mut state.content_type);
        if !is_known {
            self.make_way(&state)?;
        }
        let key = Key {
            key: state.key.clone(),
            is_repeat: state.is_open(),
        };
        // What it was answered before, it is asked anew; the first time that it was sent counts.
        if !key.is_repeat {
            state.standing = Standing::Sent(now_us);
        }
        if self.there.as_ref() != Some(&state) {
            self.keep(state)?;
        }
        Ok(key)
    }

    /// Lets the state that lies there make way to another. Written anew and not renamed, so that the place is not empty.
    fn make_way(&self, to: &PushState) -> Result<(), Failure> {
        let Some(there) = &self.there else {
            return Ok(());
        };
        // What is over by what lies there is so for good: beside the next state nothing would tell.
        self.tidy();
        if !there.is_over(to) {
            there.save(&there.aside(&self.path))?;
        }
        Ok(())
    }

    /// Removes the states that made way there and are over. What cannot be read or removed stays: nothing is sent by it.
    pub fn tidy(&self) {
        let Some(there) = self.there.as_ref().filter(|_| !self.was_empty) else {
            return;
        };
        let aside = set_aside_of(&self.path).unwrap_or_default();
        for (aside, _) in aside.iter().filter(|(_, state)| state.is_over(there)) {
            let _ = PushState::forget(aside);
        }
    }

    /// Notes what became of the state that lies there.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn note(&mut self, standing: Standing) -> Result<(), Failure> {
        match self.there.clone().filter(|there| there.standing != standing) {
            Some(there) => self.keep(PushState { standing, ..there }),
            None => Ok(()),
        }
    }

    /// Writes this state down in its place, over what lies there.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn keep(&mut self, state: PushState) -> Result<(), Failure> {
        state.save(&self.path)?;
        self.there = Some(state);
        Ok(())
    }

    /// Forgets the key that lies there.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn forget(&mut self) -> Result<(), Failure> {
        PushState::forget(&self.path)?;
        self.there = None;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
