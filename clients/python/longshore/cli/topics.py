"""What `longshore help` explains that is no command."""

from .exits import MEANINGS

UNITS = """\
Sizes: a bare number is bytes; K M G T P and KiB MiB GiB … are powers of 1024,
kB MB GB … powers of 1000. Small m, and b for bits, are refused.
Rates: a size, with or without /s: always bytes a second.
Durations: 90, 90s, 15m, 1h30m, 250ms.
Windows: [DAYS/]START-END[/ZONE], such as 22:00-06:00, sat,sun/08:00-20:00,
mon-fri/22:00-06:00/Europe/Madrid; START+DURATION if longer than a day.
Without a zone it is that of this machine (TZ, else /etc/localtime, else UTC), in which
times are shown too."""

ON_ERROR = """\
What a job does when reading or writing fails (--on-error, set JOB on-error=):
  report       it fails with the error (the default). A pull leaves the chain as it is
               and the same visible bytes; another pull goes on from there.
  skip         it leaves the range out, records it in its result and does the rest. A
               pull then keeps the backing file and fails, as it is still needed.
  retry        it tries again 3 times, after 1 s, 2 s and 4 s; then as report.
  stop         it pauses, and loses nothing: once the cause is gone, longshore resume
               JOB makes the request that failed again.
  enospc-stop  as stop if there is no space, as report for everything else."""

ON_CONFLICT = """\
What is done if someone holds the image already (--on-conflict):
  fail    no job is made; the error names who holds it, a job or a process (the
          default).
  queue   the job is made and waits: it starts by itself once it can hold everything.
  return  if the job that holds it does the same, that job is named instead of a new
          one; else as fail."""

TOPICS = {
    "exit-codes": "\n".join(
        f"{int(code):>4}  {text}" for code, text in MEANINGS.items()
    ),
    "units": UNITS,
    "on-error": ON_ERROR,
    "on-conflict": ON_CONFLICT,
}
