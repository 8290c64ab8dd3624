//! Deliveries that are out of our hands: lent to a run, or moved elsewhere by it.

use std::sync::Arc;
use std::time::Duration;

use forebay_queue::{Delivery, End, Receipt, Settle};

use super::{Became, Ended, Given, Ledger};
use crate::hands::back::{Back, CameBack, Facts, Lent, Settlement};
use crate::hands::terms::{RunEnd, Terms};

// === impl Ledger ===

impl<T> Ledger<T> {
    /// Starts a run by delivery, which will tell `settler` how it ends.
    pub(in crate::hands) fn lend(&mut self, settler: Arc<dyn Settle<T>>) -> Delivery<T> {
        self.run = self.run.wrapping_add(1);
        let given = self.take_inbox();
        self.attempt = given.delivery.attempt();
        self.lend_to_run(given, settler)
    }

    /// Starts a run by batch: each delivery will tell `settler` how it ends.
    pub(in crate::hands) fn lend_all(&mut self, settler: &Arc<dyn Settle<T>>) -> Vec<Delivery<T>> {
        self.run = self.run.wrapping_add(1);
        let inbox = std::mem::take(&mut self.inbox);
        self.attempt = inbox.first().map_or(0, |given| given.delivery.attempt());
        inbox.into_iter().map(|given| self.lend_to_run(given, Arc::clone(settler))).collect()
    }

    fn lend_to_run(&mut self, given: Given<T>, settler: Arc<dyn Settle<T>>) -> Delivery<T> {
        let Given { delivery, key, .. } = given;
        let (attempt, facts, run) = (delivery.attempt(), Facts::of(&delivery), self.run);
        let place = self.lent.vacant_entry();
        let receipt = Receipt::new(u64::from(self.lent_so_far) << 32 | place.key() as u64);
        self.lent_so_far = self.lent_so_far.wrapping_add(1);
        self.lent_to_run.push(receipt);
        delivery.map_settler(|source_receipt, source| {
            place.insert(Lent { receipt, source_receipt, source, attempt, facts, key, run, came_back: None });
            (receipt, settler)
        })
    }

    /// A lent delivery says how it ended. `None`: that is kept until the run ends; otherwise the source is to be
    /// told, and this ledger after it.
    ///
    /// # Errors
    ///
    /// The item comes back if the delivery ended before, or was revoked: its destructor is not ours to run under a
    /// lock.
    pub(in crate::hands) fn settle(
        &mut self,
        receipt: Receipt,
        item: Option<T>,
        end: End,
        terms: &Terms,
    ) -> Result<Option<Ended<T>>, Option<T>> {
        let (running, run) = (!self.lent_to_run.is_empty(), self.run);
        // A settler that was put in between may say so twice; the first time counts.
        let Some(lent) = self.lent_mut(receipt).filter(|lent| lent.came_back.is_none()) else {
            return Err(item);
        };
        let in_run = running && lent.run == run;
        let became = match end {
            End::Nack { after } => {
                let came_back = CameBack { item, after };
                if in_run {
                    lent.came_back = Some(came_back);
                    return Ok(None);
                }
                self.telling += 1;
                let lent = self.lent.remove(slab_key(receipt));
                let (back, rest) = lent.come_back(came_back, terms, false);
                return Ok(self.follow(back, terms.judge(&RunEnd::Done, rest)).ended());
            }
            End::Ack => Became::Completed,
            End::DeadLetter { .. } => Became::DeadLettered,
        };
        self.telling += 1;
        let mut lent = self.lent.remove(slab_key(receipt));
        if in_run {
            // Its handler is still at work on behalf of the key.
            self.keys.extend(lent.key.take());
        }
        Ok(Some(self.end_lent(lent, item, became, end)))
    }

    /// The source was told of what [`settle`](Self::settle) returned. Is the handler being polled, and is nothing
    /// left?
    pub(in crate::hands) fn told(&mut self) -> (bool, bool) {
        self.telling -= 1;
        (self.polling, self.is_at_rest())
    }

    /// What the run that is over was lent and gave back.
    pub(super) fn take_come_back(&mut self) -> Option<(Lent<T>, CameBack<T>)> {
        // In their order: what is tried again is the same batch.
        while let Some(receipt) = self.finishing.pop() {
            if let Some(came_back) = self.lent_mut(receipt).and_then(|lent| lent.came_back.take()) {
                return Some((self.lent.remove(slab_key(receipt)), came_back));
            }
        }
        None
    }

    /// Ends one of the deliveries that are elsewhere, without its value.
    pub(in crate::hands) fn revoke(&mut self, terms: &Terms) -> Option<Settlement<T>> {
        let (key, _) = self.lent.iter().next()?;
        let lent = self.lent.remove(key);
        self.tally.aborted += 1;
        let (back, rest) = lent.come_back(CameBack { item: None, after: Duration::ZERO }, terms, false);
        self.follow(back, terms.judge(&RunEnd::Aborted, rest)).ended().map(|ended| ended.settlement)
    }

    /// What the source calls a lent delivery, and whom it wants to be told of it.
    pub(in crate::hands) fn source_of(&self, receipt: Receipt) -> Option<(Receipt, Arc<dyn Settle<T>>)> {
        let lent = self.lent.get(slab_key(receipt)).filter(|lent| lent.receipt == receipt)?;
        Some((lent.source_receipt, Arc::clone(lent.source.as_ref()?)))
    }

    pub(super) fn lent_mut(&mut self, receipt: Receipt) -> Option<&mut Lent<T>> {
        self.lent.get_mut(slab_key(receipt)).filter(|lent| lent.receipt == receipt)
    }

    fn end_lent(&mut self, lent: Lent<T>, item: Option<T>, became: Became, end: End) -> Ended<T> {
        self.tally.count(became);
        let (attempt, key) = (lent.attempt, lent.key);
        let settlement = Settlement { back: Back::Lent(lent, item), end, discard: false };
        Ended { became, attempt, settlement, key, place: None }
    }
}

/// Where in the slab a lent delivery is; the upper half of its receipt tells it from others that were there.
pub(super) fn slab_key(receipt: Receipt) -> usize {
    (receipt.get() & u64::from(u32::MAX)) as usize
}
