package replicas

import (
	"os/exec"
	"syscall"
)

// shield has the system end a program should the test be killed.
func shield(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
