package bench

import (
	"os/exec"
	"syscall"
)

// shield keeps the terminal's signals from a child, which is stopped by the bench alone, and has the system end it
// should the bench be killed.
func shield(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
