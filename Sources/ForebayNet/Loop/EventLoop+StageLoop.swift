import ForebayCore

extension EventLoop: StageLoop {
    package func executor() -> any SerialExecutor { self }

    package func taskExecutor() -> any TaskExecutor { LoopTaskExecutor(self) }
}

extension Timer: StageTimer {}
