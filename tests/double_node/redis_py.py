"""What a user of redis-py does, against the server at the address in the arguments. Prints one line for each thing that worked."""

import sys
import threading

import redis

host, port, protocol = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
r = redis.Redis(host=host, port=port, protocol=protocol, decode_responses=True)


def done(what):
    print("ok", what)


r.flushall()
assert r.ping()
assert r.set("seat", "A7") and r.get("seat") == "A7"
assert r.info("server")["redis_version"].startswith("7.0")
assert r.client_setname("me") and r.client_getname() == "me"
assert r.client_id() in [client_id for client_id in (int(c["id"]) for c in r.client_list())]
done("connect")

with r.pipeline(transaction=False) as pipe:
    for n in range(1000):
        pipe.incrby("count", n)
    assert pipe.execute()[-1] == sum(range(1000))
done("pipeline")

with r.pipeline() as pipe:
    while True:
        try:
            pipe.watch("count")
            count = int(pipe.get("count"))
            pipe.multi()
            pipe.set("count", count + 1).lpush("log", count)
            assert pipe.execute() == [True, 1]
            break
        except redis.WatchError:
            continue
with r.pipeline() as pipe:
    pipe.watch("count")
    redis.Redis(host=host, port=port).set("count", "other")
    pipe.multi()
    pipe.get("count")
    try:
        pipe.execute()
        raise SystemExit("a watched key had changed")
    except redis.WatchError:
        pass
done("transaction")

hold = r.register_script(
    """
    local free = tonumber(redis.call('GET', KEYS[1]) or '0')
    local wanted = tonumber(ARGV[1])
    if free < wanted then
      return redis.error_reply('SOLDOUT only ' .. free)
    end
    redis.call('DECRBY', KEYS[1], wanted)
    return {free - wanted, cjson.encode({seats = wanted})}
    """
)
r.set("free", 5)
assert hold(keys=["free"], args=[2]) == [3, '{"seats":2}']
r.script_flush()
assert hold(keys=["free"], args=[2]) == [1, '{"seats":2}']
try:
    hold(keys=["free"], args=[2])
    raise SystemExit("it was sold out")
except redis.ResponseError as error:
    assert "SOLDOUT only 1" in str(error), error
done("script")

listener = r.pubsub()
listener.subscribe("seats")
listener.psubscribe("ev*")
assert [listener.get_message(timeout=5)["type"] for _ in range(2)] == ["subscribe", "psubscribe"]
assert r.publish("seats", "A7") == 1 and r.publish("events", "B1") == 1
assert listener.get_message(timeout=5)["data"] == "A7"
message = listener.get_message(timeout=5)
assert (message["type"], message["pattern"], message["data"]) == ("pmessage", "ev*", "B1")
listener.close()
done("pub/sub")

first = r.xadd("stream", {"seat": "A1"})
r.xgroup_create("stream", "workers", id="0")
[[_, entries]] = r.xreadgroup("workers", "one", {"stream": ">"}, count=10) if protocol == 2 else [
    [name, batch] for name, [batch] in r.xreadgroup("workers", "one", {"stream": ">"}, count=10).items()
]
assert entries == [(first, {"seat": "A1"})], entries
assert r.xpending("stream", "workers")["pending"] == 1
assert r.xack("stream", "workers", first) == 1
late = []


def wait():
    late.append(redis.Redis(host=host, port=port, decode_responses=True).xread({"stream": "$"}, block=5000))


thread = threading.Thread(target=wait)
thread.start()
while not any(client["cmd"] == "xread" for client in r.client_list()):
    pass
r.xadd("stream", {"seat": "A2"}, id="9999999999999-0")
thread.join()
assert "A2" in str(late), late
done("streams")

assert r.zadd("z", {"a": 1, "b": 2.5}) == 2 and r.zscore("z", "b") == 2.5
assert r.hset("h", mapping={"f": "1", "g": "2"}) == 2 and r.hgetall("h") == {"f": "1", "g": "2"}
assert sorted(r.scan_iter(count=1)) == sorted(r.keys("*"))
r.set("gone", 1, px=1)
while r.exists("gone"):
    pass
assert r.blpop(["nothing"], timeout=0.01) is None
try:
    r.incr("seat")
    raise SystemExit("that is no number")
except redis.ResponseError as error:
    assert "not an integer" in str(error)
with r.lock("lock", timeout=5):
    assert r.exists("lock")
assert not r.exists("lock")
done("types")
