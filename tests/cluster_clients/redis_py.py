"""redis-py's cluster client, told step by step what to do: a line of JSON in is a step, and its line of JSON out says what was seen.

Arguments: the host and the port of one node, and the version of RESP.
"""

import json
import sys
import threading
import time

import redis
from redis.cluster import LoadBalancingStrategy, RedisCluster

host, port, protocol = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
options = {"protocol": protocol, "decode_responses": True}
cluster = RedisCluster(host=host, port=port, **options)
reader = RedisCluster(host=host, port=port, load_balancing_strategy=LoadBalancingStrategy.RANDOM_REPLICA, **options)
increment = cluster.register_script("return {redis.call('INCRBY', KEYS[1], ARGV[1]), KEYS[2]}")
listeners = {}


output = threading.Lock()


def say(**what):
    with output:
        print(json.dumps(what), flush=True)


def keys(step):
    return [f"{step['prefix']}{n}" for n in range(step["count"])]


def topology(step):
    return {
        "masters": [node.name for node in cluster.get_primaries()],
        "replicas": [node.name for node in cluster.get_replicas()],
        "owners": [cluster.get_node_from_key(key).name for key in step["keys"]],
    }


def fill(step):
    for n, key in enumerate(keys(step)):
        assert cluster.set(key, f"value-{n}") is True
    return read(step)


def read(step):
    return {"read": [cluster.get(key) for key in keys(step)]}


def write(step):
    return {"written": [cluster.set(key, f"new-{n}") for n, key in enumerate(keys(step))].count(True)}


def pipeline(step):
    with cluster.pipeline() as pipe:
        for n, key in enumerate(keys(step)):
            pipe.set(key, f"value-{n}")
        for key in keys(step):
            pipe.get(key)
        across = pipe.execute()[step["count"]:]
    with cluster.pipeline() as pipe:
        for _ in range(step["count"]):
            pipe.incr(step["tag"] + "n")
        tagged = pipe.execute()
    return {"across": across, "tagged": tagged}


def transaction(step):
    with cluster.pipeline(transaction=True) as pipe:
        pipe.set(step["tag"] + "t", 40).incrby(step["tag"] + "t", 2)
        return {"replies": [1 if reply in (True, "OK") else reply for reply in pipe.execute()]}


def several_keys(step):
    names = [step["tag"] + letter for letter in "abc"]
    cluster.mset(dict(zip(names, "123")))
    return {"read": cluster.mget(names)}


def crossslot(step):
    told = []
    try:
        cluster.sunion(*step["keys"])
    except redis.exceptions.RedisClusterException as error:
        told.append(str(error))  # its own word: it does not send such a command
    try:
        node = cluster.get_node_from_key(step["keys"][0])
        cluster.execute_command("SUNION", *step["keys"], target_nodes=node)
    except redis.ResponseError as error:
        told.append(str(error))
    return {"errors": told}


def from_replicas(step):
    return {"read": [reader.get(key) for key in keys(step)]}


def script(step):
    names = [step["tag"] + "sum", step["tag"] + "other"]
    return {"replies": [increment(keys=names, args=[number]) for number in (40, 2)]}


def listen(step):
    listener = listeners[step["sharded"]] = cluster.pubsub()
    if step["sharded"]:
        listener.ssubscribe(step["channel"])
    else:
        listener.subscribe(step["channel"])
    hear(step)
    return {"listening": True}


def hear(step):
    """The next thing that is heard, which after `listen` is that it listens."""
    listener = listeners[step["sharded"]]
    until = time.monotonic() + 10
    while time.monotonic() < until:
        message = (listener.get_sharded_message if step["sharded"] else listener.get_message)(timeout=0.1)
        if message:
            return {"channel": message["channel"], "message": message["data"]}
    raise TimeoutError("nothing was heard")


storming = threading.Event()


def storm(step):
    """Begins to write, one key after another, until `calm`; says of each write how it went."""

    def write_on():
        n = 0
        while storming.is_set():
            try:
                cluster.set(f"{step['prefix']}{n}", f"value-{n}")
                say(write=n, ok=True)
            except (redis.RedisError, redis.exceptions.RedisClusterException) as error:
                say(write=n, ok=False, why=f"{type(error).__name__}: {error}")
            n += 1
            time.sleep(0.002)

    storming.set()
    storm.thread = threading.Thread(target=write_on, daemon=True)
    storm.thread.start()
    return {}


def calm(_):
    storming.clear()
    storm.thread.join()
    return {}


say(done="connect", client=f"redis-py {redis.__version__}")
for line in sys.stdin:
    step = json.loads(line)
    try:
        say(done=step["step"], **globals()[step["step"]](step))
    except Exception as error:  # whatever it is, the test shows it
        say(failed=step["step"], why=f"{type(error).__name__}: {error}")
