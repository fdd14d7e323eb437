package redis

import (
	"crypto/sha1"
	"encoding/hex"
)

// script is Lua that Redis runs in one step. Every one may run twice for one call, when an answer was lost: the
// second run changes nothing. Scripts without the flag are refused whole, before they change anything, when Redis is out
// of memory.
type script struct{ name, body, sha string }

func newScript(name, body string) *script {
	sum := sha1.Sum([]byte(body))
	return &script{name: name, body: body, sha: hex.EncodeToString(sum[:])}
}

// precedes compares decimal numbers of any size, which Lua's own numbers would round.
const precedes = `
local function precedes(a, b)
  if #a ~= #b then return #a < #b end
  return a < b
end
`

// writeDocument stores a SKU's document if it is newer than the stored one, or other contents of the same version: those mend it. It is of the first
// generation; where a later one has the hash nothing is written.
// KEYS: the SKU's hash, its document. ARGV: position, policies, document, then names and values of fields.
var writeDocument = newScript("write document", `#!lua
`+precedes+`
local old = redis.call('HMGET', KEYS[1], 'position', 'policies', 'generation')
if old[3] then return 0 end
local document = redis.call('GET', KEYS[2])
if old[1] and old[2] and document then
  if precedes(ARGV[1], old[1]) or ARGV[1] == old[1] and precedes(ARGV[2], old[2]) then return 0 end
  if ARGV[1] == old[1] and ARGV[2] == old[2] and ARGV[3] == document then return 0 end
end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'position', ARGV[1], 'policies', ARGV[2])
for i = 4, #ARGV, 1000 do
  redis.call('HSET', KEYS[1], unpack(ARGV, i, math.min(i + 999, #ARGV)))
end
redis.call('SET', KEYS[2], ARGV[3])
return 1
`)

// writeGeneration is writeDocument for a generation after the first: its documents begin with their own version, since the SKU's hash is of one generation at a
// time. That follows the highest; while a generation is built it is not given.
// KEYS: the document, the SKU's hash or nothing. ARGV: generation, position, policies, document, then names and values of fields.
var writeGeneration = newScript("write document of a generation", `#!lua
`+precedes+`
local stored, same = redis.call('GET', KEYS[1]), false
if stored then
  local position, policies, at = string.match(stored, '^(%d+) (%d+) ()')
  if precedes(ARGV[2], position) or ARGV[2] == position and precedes(ARGV[3], policies) then return 0 end
  same = ARGV[2] == position and ARGV[3] == policies and string.sub(stored, at) == ARGV[4]
end
if not same then
  redis.call('SET', KEYS[1], ARGV[2] .. ' ' .. ARGV[3] .. ' ' .. ARGV[4])
end
if not KEYS[2] then return 1 end
local of = redis.call('HGET', KEYS[2], 'generation') or '0'
if precedes(ARGV[1], of) or same and of == ARGV[1] then return 0 end
redis.call('DEL', KEYS[2])
redis.call('HSET', KEYS[2], 'position', ARGV[2], 'policies', ARGV[3], 'generation', ARGV[1])
for i = 5, #ARGV, 1000 do
  redis.call('HSET', KEYS[2], unpack(ARGV, i, math.min(i + 999, #ARGV)))
end
return 1
`)

// dropStray removes a SKU's hash when it is of an earlier generation, and this one has no document of the SKU.
// KEYS: the hash, the document. ARGV: generation.
var dropStray = newScript("remove what a generation does not have", `#!lua flags=allow-oom
`+precedes+`
local of = redis.call('HGET', KEYS[1], 'generation') or '0'
if not precedes(of, ARGV[1]) or redis.call('EXISTS', KEYS[2]) == 1 then return 0 end
return redis.call('DEL', KEYS[1])
`)

// writeField stores a field of the form "position:contents" if it is not older than the stored one, or removes it when the
// contents are missing. It returns what is stored instead when it was refused.
// KEYS: the hash. ARGV: field, position, contents or nothing.
var writeField = newScript("write field", `#!lua
`+precedes+`
local old = redis.call('HGET', KEYS[1], ARGV[1])
if old then
  local position = string.sub(old, 1, string.find(old, ':', 1, true) - 1)
  if precedes(ARGV[2], position) then return old end
end
if ARGV[3] then
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[2] .. ':' .. ARGV[3])
else
  redis.call('HDEL', KEYS[1], ARGV[1])
end
return false
`)

// enter raises a process's mark, or makes it when it is new, and returns the progress stored. Redis full or not, it runs:
// it takes next to nothing, and who cannot enter cannot read.
// A partition that was lost takes on the generation that the others have.
// KEYS: the progress. ARGV: origin, process, the mark it must have at least or -1, the new mark, most marks kept, generation.
var enter = newScript("enter", `#!lua flags=allow-oom
`+precedes+`
local origin = redis.call('HGET', KEYS[1], 'origin')
local generation = redis.call('HGET', KEYS[1], 'generation') or '0'
if generation ~= ARGV[6] and (origin or precedes(ARGV[6], generation)) then return {'generation', generation} end
if origin and origin ~= ARGV[1] then return {'origin', origin} end
if generation ~= ARGV[6] then redis.call('HSET', KEYS[1], 'generation', ARGV[6]) end
local field = 'w:' .. ARGV[2]
local mark = tonumber(redis.call('HGET', KEYS[1], field) or '-1')
if mark < tonumber(ARGV[3]) then return {'lost', tostring(mark)} end
if not origin then redis.call('HSET', KEYS[1], 'origin', ARGV[1]) end
redis.call('HSET', KEYS[1], field, math.max(mark, tonumber(ARGV[4])))
if mark < 0 then
  local marks = {}
  for _, name in ipairs(redis.call('HKEYS', KEYS[1])) do
    if string.sub(name, 1, 2) == 'w:' then marks[#marks + 1] = name end
  end
  table.sort(marks)
  for i = 1, #marks - tonumber(ARGV[5]) do redis.call('HDEL', KEYS[1], marks[i]) end
end
return {'ok', redis.call('HGET', KEYS[1], 'progress') or ''}
`)

// advance stores a progress unless a newer one is stored, and raises the process's mark, if it has the one that it must have.
// KEYS: the progress. ARGV: process, the mark it must have at least, the new mark, position, own, progress.
var advance = newScript("advance", `#!lua
`+precedes+`
local field = 'w:' .. ARGV[1]
local mark = tonumber(redis.call('HGET', KEYS[1], field) or '-1')
if mark < tonumber(ARGV[2]) then return 0 end
redis.call('HSET', KEYS[1], field, math.max(mark, tonumber(ARGV[3])))
local old = redis.call('HMGET', KEYS[1], 'position', 'own')
if not old[1] or precedes(old[1], ARGV[4]) or old[1] == ARGV[4] and precedes(old[2], ARGV[5]) then
  redis.call('HSET', KEYS[1], 'position', ARGV[4], 'own', ARGV[5], 'progress', ARGV[6])
end
return 1
`)

// rely raises the process's mark, if it has the one that it must have, when a progress is stored that includes another: what that
// one tells of was written, by whoever stored it, before the mark. It returns 2 then, 1 when it is not included, 0 without the mark.
// KEYS: the progress. ARGV: process, the mark it must have at least, the new mark, position, own.
var rely = newScript("rely", `#!lua flags=allow-oom
`+precedes+`
local field = 'w:' .. ARGV[1]
local mark = tonumber(redis.call('HGET', KEYS[1], field) or '-1')
if mark < tonumber(ARGV[2]) then return 0 end
local old = redis.call('HMGET', KEYS[1], 'position', 'own')
if not old[1] or not old[2] or precedes(old[1], ARGV[4]) or precedes(old[2], ARGV[5]) then return 1 end
redis.call('HSET', KEYS[1], field, math.max(mark, tonumber(ARGV[3])))
return 2
`)

// raise raises the process's mark, if it has the one that it must have.
// KEYS: the progress. ARGV: process, the mark it must have at least, the new mark.
var raise = newScript("raise", `#!lua flags=allow-oom
local field = 'w:' .. ARGV[1]
local mark = tonumber(redis.call('HGET', KEYS[1], field) or '-1')
if mark < tonumber(ARGV[2]) then return 0 end
redis.call('HSET', KEYS[1], field, math.max(mark, tonumber(ARGV[3])))
return 1
`)

// forget removes a progress and all marks. Generations are still told apart.
// KEYS: the progress.
var forget = newScript("forget", `#!lua flags=allow-oom
local kept = redis.call('HMGET', KEYS[1], 'generation', 'reserved')
redis.call('DEL', KEYS[1])
if kept[1] then redis.call('HSET', KEYS[1], 'generation', kept[1]) end
if kept[2] then redis.call('HSET', KEYS[1], 'reserved', kept[2]) end
return 1
`)

// reserve returns the number of a generation that nobody has used.
// KEYS: the progress in the first partition.
var reserve = newScript("reserve a generation", `#!lua
local n = redis.call('HMGET', KEYS[1], 'generation', 'reserved')
local next = math.max(tonumber(n[1] or '0'), tonumber(n[2] or '0')) + 1
redis.call('HSET', KEYS[1], 'reserved', next)
return next
`)

// exchange has the progress of one generation take the place of another one's, in one step, and removes all marks: whoever had one finds out that it
// reads and writes what is no longer current. When whoever built it has lost something nothing is done. Where there is no progress of the new generation it is
// lost, and begins anew. It returns 2 when the generation is current now, 1 when its builder lost something, 0 when another one is.
// KEYS: the progress, that of the generation. ARGV: the generation before, the generation, origin of each, the builder's process or nothing, its mark.
var exchange = newScript("exchange", `#!lua flags=allow-oom
local now = redis.call('HMGET', KEYS[1], 'generation', 'origin')
if now[1] == ARGV[2] then return 2 end
if (now[1] or '0') ~= ARGV[1] or now[2] ~= ARGV[3] then return 0 end
if ARGV[5] ~= '' and tonumber(redis.call('HGET', KEYS[2], 'w:' .. ARGV[5]) or '-1') < tonumber(ARGV[6]) then return 1 end
local built = redis.call('HMGET', KEYS[2], 'position', 'own', 'progress')
local reserved = redis.call('HGET', KEYS[1], 'reserved')
redis.call('DEL', KEYS[1], KEYS[2])
redis.call('HSET', KEYS[1], 'generation', ARGV[2], 'origin', ARGV[4], 'unsettled', '1')
if reserved then redis.call('HSET', KEYS[1], 'reserved', reserved) end
if built[1] and built[2] and built[3] then
  redis.call('HSET', KEYS[1], 'position', built[1], 'own', built[2], 'progress', built[3])
end
return 2
`)

// settled notes that nothing is left of earlier generations.
// KEYS: the progress. ARGV: generation.
var settled = newScript("settled", `#!lua flags=allow-oom
if redis.call('HGET', KEYS[1], 'generation') ~= ARGV[1] then return 0 end
return redis.call('HDEL', KEYS[1], 'unsettled')
`)

// scripts are all of them, to be loaded together.
var scripts = []*script{writeDocument, writeGeneration, dropStray, writeField, enter, advance, rely, raise, forget, reserve, exchange, settled}
