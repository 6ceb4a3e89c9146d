//! What is new for one player, in a packet that may be lost, doubled or late.
//!
//! An update is a string of bits: bit `i` is bit `i % 8` (lowest first) of byte `i / 8`. A number of `n` bits has its
//! lowest bit first. Zero bits fill the last byte.
//!
//! ```text
//! update     := header [hash:64] [absences] components [entities]   hash if header says so, absences likewise;
//!                                                                   entities unless there are no components
//! header     := type:8 = 1   era:8   seq:16   tick:16   part:4 parts-1:4   settled:6 has-hash:1 has-absences:1
//! absences   := k:5 gone lost
//! gone       := count:code(2) gap:code(k)*                          entities the player no longer sees
//! lost       := count:code(2) (gap:code(k) n-1:code(0) place:code(1)*)*   entities and the n components they lost
//! components := count:code(2) component*
//! component  := place:code(1) has-changes:1 [changes]
//! changes    := predicts:1 uses:1*                                  one bit for each field of the component
//!               k:5*                                                for each field it uses, but Bool and F32
//! entities   := k:5 count:code(4) entity*
//! entity     := gap:code(k) same-set:1 [has:1*]                     unless same-set: one bit for each component above
//!               row*                                                for each component it has
//! row        := same-form:1 [form] full | changed
//! form       := same-times:1 [age:6 [span:6]] [mask:1*]             age unless same-times; span if the component
//!                                                                   predicts and age is not 0; mask unless age is 0:
//!                                                                   one bit for each field that is used
//! full       := field*                                              all fields
//! changed    := difference*                                         fields of the mask
//! ```
//!
//! - `code(k)` of a number `v` that has `l` bits (0 has none): with `c = max(0, l - k)`, `c` ones and a zero, then the
//!   low `n` bits of `v`, `n = k` if `c = 0`, else `k + c - 1`: the highest one is not written. `v` has at most 64 bits.
//! - A gap is the number minus the one before in its list minus 1; before the first entity stands 0. `place`s are
//!   places in the manifest's list of components, and before the first stands -1.
//! - `era` is the low byte of the baseline's. `seq` counts the updates of an era from 1, modulo 2^16. `tick` is the low
//!   16 bits of the tick that is told, to be read as the one nearest to the newest tick known.
//! - `settled` is how many ticks before `tick` all is known to be held; 63: more than 62, or not known.
//! - `hash` stands in the last part of a tick, if at all. It is the hash of the view at that tick: who has all parts of the tick,
//!   and of no later one, compares.
//! - The set before the first entity is all components above; the form before a component's first row is `age` 0,
//!   `span` 0, no field in the mask. Both are of this update alone. A form with `age` 0 or without `span` sets what it
//!   has not to 0 (span) or none (mask).
//! - `age` 0: the row is told in full. 1 to 62: it differs from what was told at `tick - age`, which the client has
//!   acknowledged. 63: from the newest value told at or before `tick - 63`, a baseline counting as a telling.
//!   `age + span` does not exceed 63 where `span` is not 0: what was told at `tick - age - span` was acknowledged too.
//! - Numbers are told as quotients `q` by the field's step; U64 without a sign, others with.
//! - `field`: Bool is 1 bit; F32 is 1 bit, and if that is 1, its 32 bits (else it is 0.0); others have the count of bits
//!   `l` of `q` (zigzag if the kind is signed) in 4, 5, 6, 7 bits for kinds of 1, 2, 4, 8 bytes, then the low `l - 1` bits.
//! - `difference`: Bool has no bits, and is the other value; F32 is its 32 bits; others are `code(k)` of the zigzag of
//!   `q - p` modulo 2^64, where `p` is the base's quotient `b`. If `span` is not 0 and the kind is an integer of at most
//!   4 bytes (neither Entity nor Player), `p = b + (b - b') * age / span`, the quotient rounded towards 0, `b'` from what
//!   was told at `tick - age - span`. Fields out of the mask are as in the base.
//!
//! How a client reads it:
//!
//! - An update of another era, one doubled, or one of a tick 64 or more below the newest, does nothing; the last is not
//!   acknowledged either.
//! - Of each row it knows the tick of the newest telling, of its value or its absence. A telling that is not newer is
//!   passed over (its value is kept as a base); `gone` is the absence of all rows of an entity.
//! - It holds the values of the last 126 ticks, and the newest one before them, as bases.
//! - It sends an acknowledgement for every second update, and within 50 ms of one:
//!
//! ```text
//! ack := type:8 = 2   era:8   seq:16   missing:varint       seq is the newest that came;
//!                                                           bit i of missing: seq - 1 - i has not come, i < 64
//! ```
