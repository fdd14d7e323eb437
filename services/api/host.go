package api

import (
	"net"
	"net/http"
	"strings"

	"google.golang.org/grpc/codes"
)

// NamedLocally tells whether a request calls this machine by an address or as localhost. A page whose own name was made to
// resolve to loopback passes for one of the service's, in the eyes of a browser; only the name it calls gives it
// away. A proxy in front of the service must send such a name, too.
func NamedLocally(r *http.Request) bool {
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if net.ParseIP(strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")) != nil {
		return true
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}

func foreignHost() problem {
	return problem{code: codes.PermissionDenied, reason: ReasonForeignHost,
		message: "the service is called by its address or as localhost; a proxy in front of it must set the header Host accordingly"}
}
