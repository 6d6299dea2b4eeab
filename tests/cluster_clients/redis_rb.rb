# redis-rb's cluster client, told step by step what to do: a line of JSON in is a step, and its line of JSON out says what was seen.
#
# Arguments: the host and the port of one node.

require 'digest'
require 'json'
require 'redis'
require 'timeout'

SEED = "redis://#{ARGV[0]}:#{ARGV[1]}".freeze
OUTPUT = Mutex.new
HEARD = Queue.new

def say(**what)
  OUTPUT.synchronize { $stdout.write("#{what.to_json}\n") }
end

# One to write, one that reads from replicas, one that listens.
def connect(**options)
  Redis.new(cluster: [SEED], timeout: 2, **options)
end

# The steps.
class Steps
  INCREMENT = "return {redis.call('INCRBY', KEYS[1], ARGV[1]), KEYS[2]}".freeze

  def initialize
    @cluster = connect
    @reader = connect(replica: true)
  end

  def topology(_)
    shards = @cluster.cluster(:slots)
    address = ->(node) { "#{node['ip']}:#{node['port']}" }
    { masters: shards.map { |shard| address.(shard['master']) },
      replicas: shards.flat_map { |shard| shard['replicas'].map(&address) } }
  end

  def fill(step)
    keys(step).each_with_index { |key, n| @cluster.set(key, "value-#{n}") }
    read(step)
  end

  def read(step)
    { read: keys(step).map { |key| @cluster.get(key) } }
  end

  def write(step)
    { written: keys(step).each_with_index.count { |key, n| @cluster.set(key, "new-#{n}") == 'OK' } }
  end

  # It refuses a pipeline to more than one node.
  def pipeline(step)
    tagged = @cluster.pipelined { |pipe| step['count'].times { pipe.incr("#{step['tag']}n") } }
    begin
      @cluster.pipelined { |pipe| keys(step).each { |key| pipe.set(key, 'value') } }
      { tagged: tagged }
    rescue Redis::Cluster::CrossSlotPipeliningError => e
      { tagged: tagged, cannot: e.class.name }
    end
  end

  def transaction(step)
    key = "#{step['tag']}t"
    replies = @cluster.multi do |transaction|
      transaction.set(key, 40)
      transaction.incrby(key, 2)
    end
    { replies: replies.map { |reply| reply == 'OK' ? 1 : reply } }
  end

  def several_keys(step)
    names = %w[a b c].map { |letter| step['tag'] + letter }
    @cluster.mset(*names.zip(%w[1 2 3]).flatten)
    { read: @cluster.mget(*names) }
  end

  def crossslot(step)
    @cluster.sunion(*step['keys'])
    { errors: [] }
  rescue Redis::CommandError => e
    { errors: [e.message] }
  end

  def from_replicas(step)
    { read: keys(step).map { |key| @reader.get(key) } }
  end

  # As its users do: by the script's hash, and by its text where that is not known.
  def script(step)
    names = %w[sum other].map { |name| step['tag'] + name }
    hash = Digest::SHA1.hexdigest(INCREMENT)
    replies = [40, 2].map do |number|
      @cluster.evalsha(hash, keys: names, argv: [number])
    rescue Redis::CommandError => e
      raise unless e.message.start_with?('NOSCRIPT')

      @cluster.eval(INCREMENT, keys: names, argv: [number])
    end
    { replies: replies }
  end

  def listen(step)
    return { listening: false } if step['sharded']

    ready = Queue.new
    Thread.new do
      connect.subscribe(step['channel']) do |on|
        on.subscribe { ready << true }
        on.message { |channel, message| HEARD << { channel: channel, message: message } }
      end
    end
    { listening: ready.pop }
  end

  def hear(_)
    Timeout.timeout(10) { HEARD.pop }
  end

  # Begins to write, one key after another, until `calm`; says of each write how it went.
  def storm(step)
    @storming = true
    @storm = Thread.new do
      n = 0
      while @storming
        begin
          @cluster.set("#{step['prefix']}#{n}", "value-#{n}")
          say(write: n, ok: true)
        rescue Redis::BaseError => e
          say(write: n, ok: false, why: "#{e.class}: #{e.message}")
        end
        n += 1
        sleep(0.002)
      end
    end
    {}
  end

  def calm(_)
    @storming = false
    @storm.join
    {}
  end

  private

  def keys(step)
    Array.new(step['count']) { |n| "#{step['prefix']}#{n}" }
  end
end

$stdout.sync = true
steps = Steps.new
say(done: 'connect', client: "redis-rb #{Redis::VERSION}")
$stdin.each_line do |line|
  step = JSON.parse(line)
  begin
    say(done: step['step'], **steps.public_send(step['step'], step))
  rescue StandardError => e
    say(failed: step['step'], why: "#{e.class}: #{e.message}")
  end
end
