package redis

import (
	"hash/fnv"
	"strconv"
	"strings"
)

// slots is the number of hash slots of a cluster.
const slots = 16384

// clusterPartitions is how many parts the progress of a projection has on a cluster: an equal run of slots each. A
// master that holds a whole run holds a part, so as many masters as half of it can share the slots evenly.
const clusterPartitions = 32

// makeTags returns hash tags, one in each of n equal runs of slots.
func makeTags(n int) []string {
	tags := make([]string, n)
	for left, i := n, 0; left > 0; i++ {
		tag := strconv.Itoa(i)
		if part := int(crc16(tag)) % slots / (slots / n); tags[part] == "" {
			tags[part] = tag
			left--
		}
	}
	return tags
}

// crc16 is the checksum that places a key (CRC-16/XMODEM).
func crc16(s string) (sum uint16) {
	for i := range len(s) {
		sum ^= uint16(s[i]) << 8
		for range 8 {
			if sum&0x8000 != 0 {
				sum = sum<<1 ^ 0x1021
			} else {
				sum <<= 1
			}
		}
	}
	return sum
}

// partition picks one of n for a name.
func partition(name string, n int) int {
	h := fnv.New32a()
	h.Write([]byte(name))
	return int(h.Sum32() % uint32(n))
}

var escapeTag = strings.NewReplacer("%", "%25", "}", "%7D")

// tagged puts a name in braces, so that it alone places the key: what is between the first { and the next } counts, unless
// it is empty.
func tagged(name string) string {
	if name == "" {
		return "{%}"
	}
	return "{" + escapeTag.Replace(name) + "}"
}
