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

// writeDocument stores a SKU's document if it is newer than the stored one, or other contents of the same version: those mend it.
// KEYS: the SKU's hash, its document. ARGV: position, policies, document, then names and values of fields.
var writeDocument = newScript("write document", `#!lua
`+precedes+`
local old = redis.call('HMGET', KEYS[1], 'position', 'policies')
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
// KEYS: the progress. ARGV: origin, process, the mark it must have at least or -1, the new mark, most marks kept.
var enter = newScript("enter", `#!lua flags=allow-oom
local origin = redis.call('HGET', KEYS[1], 'origin')
if origin and origin ~= ARGV[1] then return {'origin', origin} end
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

// scripts are all of them, to be loaded together.
var scripts = []*script{writeDocument, writeField, enter, advance, rely}
