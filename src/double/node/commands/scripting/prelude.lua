-- What scripts find in their global variables. Called once when a Lua state is made, with a table of Rust's functions; returns what Rust calls.
--
-- Redis has tables in its own Lua that can't be written to. Here such a table is an empty one in front of the real one: reading goes through, writing
-- is refused, and those functions of Lua that would see the difference are replaced by ones that know of it.

local host = ...
local real_error, real_pcall, real_xpcall, real_type = error, pcall, xpcall, type
local real_setmetatable, real_rawset, real_next, real_tostring = setmetatable, rawset, next, tostring
local real_loadstring, real_load, real_resume, real_select, real_byte = loadstring, load, coroutine.resume, select, string.byte
local caught, place = host.caught, host.place

local READ_ONLY = 'Attempt to modify a readonly table'

-- From what a script sees to the real table; and to what it sees of the metatable.
local behind, metatables = {}, {}

local function refuse()
  real_error(READ_ONLY, 2)
end

local function protect(real)
  local seen = real_setmetatable({}, {__index = real, __newindex = refuse})
  behind[seen] = real
  return seen
end

local function wrong_argument(number, name, what)
  real_error('bad argument #' .. number .. " to '" .. name .. "' (" .. what .. ')', 3)
end

local globals = {}
for _, name in real_next, {
  'assert', 'collectgarbage', 'error', 'gcinfo', 'ipairs', 'rawequal', 'select', 'tonumber', 'tostring', 'type', 'unpack', '_VERSION',
} do
  globals[name] = _G[name]
end

-- next, pairs, rawget, rawset, getmetatable, setmetatable, loadstring.
host.add_guards(globals, behind, metatables, real_next, real_loadstring)

-- What an error is to a script: Rust's functions can raise nothing but an object of Rust's.
local function shown(err)
  if real_type(err) == 'userdata' then
    return caught(err)
  end
  return err
end

-- A table with a text in `err` is only that text to whoever catches it with pcall.
local function settle(ok, ...)
  if ok then
    return true, ...
  end
  local err = shown((...))
  if real_type(err) == 'table' then
    local text = err.err
    if real_type(text) == 'string' or real_type(text) == 'number' then
      err = text
    end
  end
  return false, err
end

function globals.pcall(...)
  if real_select('#', ...) == 0 then
    return false
  end
  return settle(real_pcall(...))
end

local function shown_if_failed(ok, ...)
  if ok then
    return ok, ...
  end
  return ok, shown((...))
end

function globals.xpcall(...)
  if real_select('#', ...) < 2 then
    wrong_argument(2, 'xpcall', 'value expected')
  end
  local f, handler = ...
  if real_type(handler) ~= 'function' then
    return real_xpcall(f, handler)
  end
  return real_xpcall(f, function(err)
    return handler(shown(err))
  end)
end

function globals.load(...)
  local reader, name = ...
  if real_type(reader) ~= 'function' then
    local got = real_select('#', ...) == 0 and 'no value' or real_type(reader)
    wrong_argument(1, 'load', 'function expected, got ' .. got)
  end
  local begun, binary = false, false
  local f, message = real_load(function()
    local piece = reader()
    if not begun and real_type(piece) == 'string' and piece ~= '' then
      begun = true
      -- Compiled code can do anything to Lua: it is refused as if it were text.
      if real_byte(piece, 1) == 27 then
        binary = true
        return '\1'
      end
    end
    if piece ~= nil and real_type(piece) ~= 'string' and real_type(piece) ~= 'number' then
      -- Four functions up is who has called `load`.
      real_error('reader function must return a string', 4)
    end
    return piece
  end, name or '=(load)')
  if binary then
    message = host.of_binary(message)
  end
  return f, message
end

local coroutines = {}
for name, value in real_next, coroutine do
  coroutines[name] = value
end
function coroutines.resume(...)
  return shown_if_failed(real_resume(...))
end
-- Those of a Lua library that are replaced by ours, as Redis replaces them.
math.random, math.randomseed = host.random, host.randomseed

globals.coroutine = protect(coroutines)
globals.string = protect(string)
globals.table = protect(table)
globals.math = protect(math)
globals.redis = protect(host.redis)
for name, library in real_next, host.libraries do
  globals[name] = protect(library)
end

-- The error as Redis's scripts have it at the end: what it says, and where it came up.
local function handler(err)
  err = shown(err)
  if real_type(err) ~= 'table' then
    err = {err = 'ERR ' .. real_tostring(err)}
  end
  local source, line = place()
  if source then
    err.source, err.line = source, line
  end
  return err
end
globals.__redis__err__handler = handler

local function missing(_, name)
  real_error("Script attempted to access nonexistent global variable '" .. real_tostring(name) .. "'", 2)
end
local seen = {}
real_setmetatable(globals, {__index = missing})
local seen_metatable = {__index = globals, __newindex = refuse}
real_setmetatable(seen, seen_metatable)
behind[seen] = globals
metatables[seen] = protect({})
metatables.string = protect({__index = globals.string})
globals._G = seen

-- Runs a script whose keys and arguments are global variables.
local function run_script(f, keys, argv)
  real_rawset(globals, 'KEYS', keys)
  real_rawset(globals, 'ARGV', argv)
  return real_xpcall(f, handler)
end

-- Runs a function of a library, which gets them as its own arguments.
local function run_function(f, keys, argv)
  return real_xpcall(function()
    return f(keys, argv)
  end, handler)
end

-- Runs the code of a library.
-- Meanwhile it finds less.
local load_globals = real_setmetatable({redis = protect(real_setmetatable(host.load_redis, {__index = missing}))}, {__index = missing})
local function back_to_normal(...)
  seen_metatable.__index = globals
  return ...
end
local function run_library(f)
  seen_metatable.__index = load_globals
  return back_to_normal(real_xpcall(f, handler))
end

return {
  globals = seen,
  compile = real_loadstring,
  run_script = run_script,
  run_function = run_function,
  run_library = run_library,
}
