//go:build !linux

package replicas

import "os/exec"

func shield(*exec.Cmd) {}
