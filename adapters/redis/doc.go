// Package redis keeps read models in Redis: availability, reservations and policies, shared by every replica and
// readable by other programs; that of orders has no form here. It works with one server, with Sentinel and with Redis Cluster, version 7.0 or later.
//
// # Guaranteed
//
// A document or progress never replaces a newer one, whoever writes first and however often: every write is a script
// guarded by position. Redis cannot write documents of several slots and the progress in one step, so the documents
// come first and the progress last: it never runs ahead of what it tells of. After a crash in between, documents are newer
// than the progress; the projection then sees their events again and skips them by position.
//
// What Redis lost is found out. Progress is kept in partitions, so many that every master of a cluster holds one, and
// beside it each process keeps a mark of its own, raised after every write. A server that was emptied, restarted without
// its data, rolled back to an old dump or failed over without the last writes shows an older mark than the process
// remembers. That is looked at before every write, with every read, and twice a second when idle. From then on
// nothing is read and nothing is written, ErrLost, until the projection has loaded the progress that is left, the lowest
// of all partitions, and begun again from there. Who reads a document of availability that others wrote
// after its own marks were raised last raises them and looks that it is still there, before it answers: it finds out when that is lost, too.
//
// Several processes fold the same events, and one that writes is enough. Before it writes documents of availability a process
// asks whether all partitions tell of a progress that includes its own, and of the policies that its documents include; then it
// raises its marks in the same step, and writes nothing. A process whose last documents were written by another waits up to
// 20 ms for that to happen again.
//
// Documents of availability are of a generation, 0 at first. An exchange builds the next one beside the one that serves, with a progress of its own, and puts
// that in the place of the other progress, in each partition in one step, which removes all marks: so every process finds out with its next read or write, or
// within half a second, and enters the new generation. The first partition decides. Who enters while others have not followed has them follow first, whoever began and
// whether that one is still there: nobody ever reads or writes two generations. A server that lost what was built on it has no progress of it, and that
// is folded again. After that, whoever serves lets other programs see what is new, and removes what is old, some keys at a time.
//
// # Layout
//
// Every key begins with a prefix, "stockfold" unless the URL says prefix=. Names of SKUs and reservations stand in braces,
// their hash tag, with % written as %25 and } as %7D; numbers are decimal.
//
//	stockfold:sku:{SKU}            hash: what each channel can sell
//	    ats:CHANNEL                base units, one field for every channel defined; of a kit only where it is not sold, with 0
//	    component:SKU              of a kit: base units of the component for one kit
//	    position                   of the SKU's last event
//	    policies                   of the last change of any channel's policy that the values include
//	    recorded_at                of the SKU's last event, microseconds since 1970-01-01 UTC
//	    decimals                   of the base unit
//	    generation                 of the document that this is of; missing for 0
//	stockfold:document:{SKU}       string: stockfold.inventory.v1.AvailabilityDocument, what folding goes on from
//	stockfold:document:N:{SKU}     of generation N: position, a space, policies, a space, and the same
//	stockfold:skus:{TAG}           sorted set, all scores 0: the SKUs of a partition, by FNV-1a of the SKU
//	stockfold:skus:N:{TAG}         those of generation N
//	stockfold:reservation:{ID}     hash: a field per SKU, a position, a colon, and a ReservationDocument
//	stockfold:placed:{SKU}         sorted set: the SKU's reservations, by place of their first event
//	stockfold:live:{SKU}           the same, live ones only
//	stockfold:due:{TAG}            sorted set: live holds by their end, in partitions by FNV-1a of the id
//	stockfold:ended:{TAG}          sorted set: ended reservations by their end
//	stockfold:channels:{TAG}       hash by id: a position, a colon, and a ChannelDocument
//	stockfold:locations:{TAG}      hash by id: a position, a colon, and a LocationDocument
//	stockfold:progress:NAME:{TAG}  hash: how far a projection has come in this partition
//	    position, own, progress    the progress, and its stored form
//	    origin                     format of the layout, and the event store it was built from
//	    w:PROCESS                  mark of a process that writes
//	    generation, reserved       of the documents; missing for 0. The highest number that an exchange was begun with
//	    unsettled                  1 while something is left of earlier generations
//	stockfold:progress:availability@N:{TAG}  the same of generation N while it is built
//	stockfold:evictions            hash: what each server had evicted when the models were last built, by run id
//
// Other programs may read stockfold:sku:… and the positions of stockfold:progress:…, and must write nothing. The values of
// one hash are of one moment. They are as of the lowest position of stockfold:progress:availability:…; while that
// goes back, the model is being repaired, and what is read may be old.
//
// # Memory
//
// What a SKU, a channel and a reservation take at most is stated by SKUBytes, GenerationBytes, ChannelBytes and ReservationBytes. During an exchange there are documents
// of two generations.
//
// # Left to others
//
// What documents mean, and what is answered while they cannot be read.
package redis
