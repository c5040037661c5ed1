"""Tasks that do nothing, in three queues on Redis. Runs with the queues' own Python.

    python queue_tasks.py QUEUE COUNT THREADS     make so many, wait for all results
    (workers import it: dramatiq queue_tasks, celery -A queue_tasks, rq worker)

Results are kept, as Longshore keeps its jobs. The client prints the seconds from
the first task until the result of the last is known.
"""

import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor

SOCKET = os.environ["BENCH_REDIS"]
QUEUE = os.environ["BENCH_QUEUE"]


def nothing():
    return 1


if QUEUE == "dramatiq":
    import dramatiq
    from dramatiq.brokers.redis import RedisBroker
    from dramatiq.results import Results
    from dramatiq.results.backends import RedisBackend

    url = f"unix://{SOCKET}"
    broker = RedisBroker(url=url)
    broker.add_middleware(Results(backend=RedisBackend(url=url)))
    dramatiq.set_broker(broker)
    task = dramatiq.actor(nothing, store_results=True)
    send = task.send

    def wait(message):
        assert message.get_result(block=True, timeout=60_000) == 1

elif QUEUE == "celery":
    import celery

    url = f"redis+socket://{SOCKET}"
    app = celery.Celery("queue_tasks", broker=url, backend=url)
    app.conf.update(worker_prefetch_multiplier=16, task_acks_late=True)
    task = app.task(nothing, name="nothing")
    send = task.delay

    def wait(result):
        assert result.get(timeout=60) == 1

elif QUEUE == "rq":
    import redis
    import rq

    connection = redis.Redis(unix_socket_path=SOCKET)
    queue = rq.Queue(connection=connection)

    def send():
        return queue.enqueue("queue_tasks.nothing")

    def wait(job):
        while job.get_status() != rq.job.JobStatus.FINISHED:
            time.sleep(0.001)


def main():
    count, threads = int(sys.argv[2]), int(sys.argv[3])
    wait(send())
    began = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        sent = list(pool.map(lambda _: send(), range(count)))
        for one in sent:
            wait(one)
    print(time.perf_counter() - began)


if __name__ == "__main__":
    main()
