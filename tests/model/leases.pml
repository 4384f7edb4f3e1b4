/*
 * leases.pml - budgets on one machine, across crashes of the process and of
 * the machine: what proxy/record/purse.h, intents.h and recorder.c do.
 *
 *   memory    used = spent + reserved; each attempt's hold
 *   intents   a mapped file: outlives the process, not the machine
 *   ledger    SQLite: rows, spent, covered; outlives both
 *
 * N attempts, each of at most R, against a budget of B; the recorder moves
 * rows and leases in transactions; one crash at any step. Truth is `billed`.
 *
 * Shortcuts, each of which must break a property (see run.sh):
 *   M_RACE     looks whether it fits, reserves later
 *   M_LATE     dispatches before the lease is durable
 *   M_NOINTENT settles, but had written no intent
 *   M_RELEASE  a restart releases what was open
 *   M_DUP      a batch whose commit seemed to fail is charged twice
 *   M_DOUBT    what may have been served is released
 *   M_POWER    after a power cut intents are believed that are not there
 *   M_NOEND    a restart leaves leases open
 */
#ifndef N
#define N 2
#endif
#ifndef B
#define B 3
#endif
#define R 2

byte billed = 0;              /* the vendors' own record */
byte used = 0, reserved = 0;  /* memory */
byte granted = 0;             /* memory's idea of `covered` */
byte spent = 0, covered = 0;  /* the ledger */
byte rows = 0;                /* the ledger: the sum of its rows */
byte leases = 0;              /* of these, leases charged after a power cut */
byte intent[N];               /* 0 free, 1 open, 2 settled */
byte charge[N];
byte row[N];                  /* rows of the attempt: at most one */
bool settled[N];              /* memory: waits for its row */
bool ended[N];                /* the vendor will bill no more */
bool up = true, doubt = false;
byte epoch = 0, crashes = 0, finished = 0;

#define ALIVE (up && epoch == mine)

proctype Attempt(byte i) {
  byte mine = 0, cost = 0;
  bool ok = false, sent = false;
#ifdef M_RACE
  byte seen = 0;
  seen = used;
  if :: seen + R > B -> goto out :: else fi;
  (granted >= seen + R || !ALIVE);
  atomic { if :: ALIVE -> used = used + R; reserved = reserved + R; ok = true :: else fi };
#else
  /* waits for a lease; refused if it never fits */
  do
  :: atomic { !ALIVE -> goto out }
  :: atomic { ALIVE && used + R > B -> goto out }
#ifdef M_LATE
  :: atomic { ALIVE && used + R <= B -> used = used + R; reserved = reserved + R; ok = true; break }
#else
  :: atomic { ALIVE && used + R <= B && used + R <= granted -> used = used + R; reserved = reserved + R; ok = true; break }
#endif
  od;
#endif
  if :: !ok -> goto out :: else fi;
#ifndef M_NOINTENT
  atomic { if :: ALIVE -> charge[i] = R; intent[i] = 1 :: else -> goto out fi };
#endif
  if
  :: atomic { ALIVE -> sent = true }
  :: atomic { ALIVE -> skip }            /* surely not dispatched */
  :: atomic { !ALIVE -> goto out }
  fi;
  /* the vendor bills what was sent, whether or not we live to see it */
  if :: sent -> if :: cost = 0 :: cost = 1 :: cost = R fi :: else fi;
  atomic { billed = billed + cost; ended[i] = true };
  atomic {
    if
    :: !ALIVE -> goto out
    :: ALIVE ->
       if
       :: charge[i] = cost               /* the vendor told its usage */
       :: sent ->                        /* it did not: the worst case */
          doubt = true;
#ifdef M_DOUBT
          charge[i] = 0
#else
          charge[i] = R
#endif
       fi;
       reserved = reserved - R; used = used - R + charge[i];
#ifndef M_NOINTENT
       intent[i] = 2;
#endif
       settled[i] = true
    fi };
out:
  finished++
}

/* One transaction at a time: rows of what has settled, and the lease ahead. */
proctype Recorder() {
  byte mine = 0, add = 0, target = 0, k = 0;
  byte batch = 0;                        /* which attempts: a bit each */
  byte rounds = 0;
  do
  :: rounds < 2 * N + 2 && ALIVE ->
     rounds++;
gather:
     atomic {
       batch = 0; k = 0;
       do :: k < N -> if :: settled[k] -> batch = batch | (1 << k) :: else fi; k++ :: else -> break od }
again:
     atomic {
       if :: !ALIVE -> goto out :: else fi;
       /* plan: room for one more than is used, never beyond the budget */
       target = used + R;
       if :: target > B -> target = (used > B -> used : B) :: else fi;
       if :: target < granted -> target = granted :: else fi }
     atomic {                            /* the commit */
       if :: !ALIVE -> goto out :: else fi;
       add = 0; k = 0;
       do
       :: k < N ->
          if
#ifdef M_DUP
          :: (batch & (1 << k)) -> add = add + charge[k]; row[k]++
#else
          :: (batch & (1 << k)) && row[k] == 0 -> add = add + charge[k]; row[k]++
#endif
          :: else
          fi; k++
       :: else -> break
       od;
       spent = spent + add; rows = rows + add;
       covered = (target > spent -> target : spent) }
     if
     :: rounds < 2 * N + 2 -> rounds++; goto again   /* done, but told that it failed */
     :: skip
     fi;
     atomic {                            /* granted, and places are free */
       if :: !ALIVE -> goto out :: else fi;
       if :: covered > granted -> granted = covered :: else fi;
       k = 0;
       do :: k < N -> if :: (batch & (1 << k)) -> settled[k] = false; intent[k] = 0 :: else fi; k++
          :: else -> break od }
  :: atomic { (rounds >= 2 * N + 2 || finished >= N || !ALIVE) -> break }
  od;
out:
  finished++
}

/* A restart: in one transaction. */
inline resume(power) {
  k = 0;
#ifdef M_POWER
  if :: power -> do :: k < N -> intent[k] = 0; k++ :: else -> break od; k = N :: else fi;
#else
  if
  :: power ->                            /* leases tell */
     leases = leases + covered - spent; rows = rows + covered - spent; spent = covered; k = N
  :: else
  fi;
#endif
  do
  :: k < N ->
#ifndef M_RELEASE
     if :: intent[k] > 0 && row[k] == 0 -> spent = spent + charge[k]; rows = rows + charge[k]; row[k]++ :: else fi;
#endif
     intent[k] = 0; k++
  :: else -> break
  od;
#ifndef M_NOEND
  covered = spent;
#endif
  used = spent; reserved = 0; granted = 0
}

proctype Crash() {
  byte k = 0;
  bool power = false;
  if
  :: skip
  :: atomic { crashes < 1 -> crashes++; up = false; epoch++;
       if :: power = false :: power = true fi }
     atomic { resume(power); up = true }
  fi;
  finished++
}

/* After all: what still waits is written, and no lease stays. */
proctype Rest() {
  byte k = 0;
  atomic {
    finished == N + 2 ->
    do
    :: k < N ->
       if :: crashes == 0 && settled[k] && row[k] == 0 -> spent = spent + charge[k]; rows = rows + charge[k]; row[k]++ :: else fi;
       k++
    :: else -> break
    od;
#ifndef M_NOEND
    covered = spent;
#endif
    finished++ }
}

init {
  atomic {
    byte j = 0;
    do :: j < N -> run Attempt(j); j++ :: else -> break od;
    run Recorder(); run Crash(); run Rest() } }

#define REST (finished == N + 3)
ltl i1 { [] (billed <= B) }
ltl i2 { [] (REST -> rows >= billed) }
ltl i3 { [] (used <= B && spent <= covered && covered <= B) }
ltl i4 { [] ((REST && crashes == 0 && !doubt) -> rows == billed) }
ltl i5 { [] (REST -> (reserved == 0 && covered == spent)) }
ltl i6 { [] (rows == spent && row[0] <= 1 && row[1] <= 1) }
