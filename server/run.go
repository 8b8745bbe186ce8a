package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
)

// Run serves until the context ends or a part fails, then shuts down by script, within the configured time. It returns nil after a
// shutdown that the context asked for and that left nothing behind.
func (s *Server) Run(ctx context.Context) error {
	group, failed := errgroup.WithContext(ctx)
	// The subscriptions outlive ctx: the script ends them, after the listeners.
	life, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	ended := make(chan struct{})
	group.Go(func() error {
		defer close(ended)
		return s.subscriptions.Run(life)
	})
	written := make(chan struct{})
	group.Go(func() error {
		defer close(written)
		return s.rejections.Run(life)
	})
	// What the subscriptions store at their end is in the journal before it is closed, and so are the last refusals.
	end := func() {
		cancel()
		<-ended
		<-written
	}
	s.health.serve()
	group.Go(func() error { return closedOK(s.http.Serve(s.listeners.http)) })
	group.Go(func() error { return closedOK(s.admin.Serve(s.listeners.admin)) })
	group.Go(func() error { return closedOK(s.grpc.Serve(s.listeners.grpc)) })
	group.Go(func() error {
		<-failed.Done()
		return s.shutdown(end)
	})
	err := group.Wait()
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		return nil
	}
	return err
}

// shutdown is the script. What doesn't finish is cut off, and said. No step takes the time of what follows: deliveries have half of it
// at most, streams a quarter more, and the last quarter is the journal's.
func (s *Server) shutdown(endRooms func()) error {
	timeout := s.inForce.ShutdownTimeout
	whole, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	ctx, end := context.WithTimeout(whole, timeout*3/4)
	defer end()
	started := time.Now()
	var errs []error
	step := func(name string, err error) {
		if err != nil {
			errs = append(errs, fmt.Errorf("shutdown: %s: %w", name, err))
		}
	}
	// 1. Say that nothing new should come, to load balancers and to those that come all the same.
	s.edge.Drain()
	s.draining.Store(true)
	s.health.Shutdown()
	// 2. Finish the deliveries that are running: what was read gets its answer. Who comes meanwhile is told to come again.
	step("deliveries were still running", s.finishDeliveries(ctx, timeout/2))
	// Nobody waits for a provider's keys any more.
	s.keys.Close()
	// 3. End the streams; clients come back by themselves. One whose client reads nothing can't be told, and is cut off.
	s.rejections.Shutdown()
	s.health.dismiss()
	ending, giveUp := context.WithTimeout(ctx, timeout/4)
	defer giveUp()
	if err := s.subscriptions.Shutdown(ending); err != nil {
		s.log.Warn("streams whose clients don't read are cut off", "error", err)
		s.grpc.Stop()
	}
	// 4. Let unary calls finish, then stop what is left.
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		s.grpc.GracefulStop()
	}()
	select {
	case <-stopped:
	case <-ctx.Done():
		s.grpc.Stop()
		<-stopped
		step("calls were still running", ctx.Err())
	}
	// 5. Nobody is left to send to, and nothing more is refused: the subscriptions store where they stand, the rejection log what it has.
	endRooms()
	// 6. The admin listener last of the listeners, so that the shutdown can be watched.
	step("admin", s.admin.finish(ctx))
	// 7. The journal, when nobody writes any more.
	step("journal", s.journal.Close(whole))
	s.log.Info("stopped", "took", time.Since(started).Round(time.Millisecond).String())
	return errors.Join(errs...)
}

// finishDeliveries takes no longer than it may. The listener is open as long as a delivery runs, so that those who come are told 503. The last
// of the time is for telling those whose bodies did not arrive.
func (s *Server) finishDeliveries(ctx context.Context, most time.Duration) error {
	ctx, abort := context.WithTimeout(ctx, most)
	defer abort()
	last := min(most/5, time.Second)
	arriving, end := context.WithTimeout(ctx, most-last)
	defer end()
	late := s.edge.Finish(arriving)
	if late != nil {
		s.edge.Cut(last / 4)
		// Those that had arrived may still be in time.
		if err := s.edge.Finish(ctx); s.edge.CutOff() == 0 {
			late = err
		}
	}
	if err := s.http.finish(ctx); late == nil {
		return err
	}
	return late
}

// Close releases what New opened, of a server that was not run.
func (s *Server) Close() error {
	var errs []error
	for _, l := range []net.Listener{s.listeners.http, s.listeners.grpc, s.listeners.admin} {
		if l != nil {
			errs = append(errs, l.Close())
		}
	}
	if s.keys != nil {
		s.keys.Close()
	}
	if s.journal != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		errs = append(errs, s.journal.Close(ctx))
	}
	return errors.Join(errs...)
}

// closedOK is what a server's Serve came to; nil when it was told to end, also before it had begun.
func closedOK(err error) error {
	if errors.Is(err, http.ErrServerClosed) || errors.Is(err, grpc.ErrServerStopped) {
		return nil
	}
	return err
}
